"""The answer that stands on top of a report."""

from paretune.comparison.figures import figure_name
from paretune.record.figures import difference, figure, interval, p_value, signed, with_error
from paretune.record.summary_entries import Contrast
from paretune.report.comparisons import Comparison
from paretune.report.noise import clearly_better
from paretune.report.runs import Run
from paretune.report.wording import joined, plural


def run_answer(run: Run) -> str:
    """What the run reached, in a sentence."""
    if not run.evaluations:
        return "This run has no evaluation yet."
    first, last = run.evaluations[0], run.evaluations[-1]
    if first is last:
        values = [f"{o.name} {figure(last.metrics[o.name])}" for o in run.objectives if o.name in last.metrics]
        return f"At step {last.step}: {joined(values)}."
    both = [o for o in run.objectives if o.name in first.metrics and o.name in last.metrics]
    if not both:
        return f"{plural(last.step, 'step')} of training, with no objective measured at both ends."
    better = [o.name for o in both if clearly_better(o, last, first)]
    worse = [o.name for o in both if clearly_better(o, first, last)]
    same = [o.name for o in both if o.name not in (*better, *worse)]
    verdicts = ((better, "improved"), (worse, "got worse"), (same, "did not change clearly"))
    parts = [f"{joined(names)} {verdict}" for names, verdict in verdicts if names]
    return f"In {plural(last.step - first.step, 'step')} {_sentence(parts)}."


def run_detail(run: Run) -> str:
    """The figures behind the sentence."""
    if len(run.evaluations) < 2:
        return ""
    first, last = run.evaluations[0], run.evaluations[-1]
    parts = []
    for objective in run.objectives:
        name = objective.name
        if name in first.metrics and name in last.metrics:
            less = "" if objective.maximize else " (less is better)"
            end = with_error(last.metrics[name], last.errors.get(name))
            parts.append(f"{name} {figure(first.metrics[name])} → {end}{less}")
    samples = "" if last.samples is None else f", on {plural(last.samples, 'completion')}"
    return (
        f"{'; '.join(parts)}. Step {first.step} and step {last.step} on the validation set, ± standard error{samples}. "
        "One run on one seed shows what moved, not whether its rule is better than another."
    )


def comparison_answer(comparison: Comparison) -> str:
    """The contrast that was named beforehand, in a sentence."""
    contrast = comparison.primary
    if not comparison.summary.content:
        return "No answer yet: there is no summary of this comparison."
    if contrast is None:
        return "No contrast was named beforehand, so there is no single answer: see the contrasts below."
    d = contrast.difference
    a, b, what = contrast.rule, contrast.against, figure_name(contrast.figure)
    if d.mean is None:
        return f"No answer on {a} against {b} yet: {d.reason or 'no paired seeds'}."
    if d.low is None or d.high is None:
        return f"No clear answer on {a} against {b}: {what} {signed(d.mean)}, {d.reason or 'without an interval'}."
    found, between = difference(d.mean, d.low, d.high)
    by = f"{found} (95 % interval {between})"
    if d.low > 0:
        return f"{a} reaches a higher {what} than {b}: {by}."
    if d.high < 0:
        return f"{a} reaches a lower {what} than {b}: {by}."
    return f"No clear difference between {a} and {b}: {what} {by}."


def comparison_detail(comparison: Comparison) -> str:
    """What stands behind the sentence."""
    parts = []
    if comparison.primary is not None:
        parts.append(_tests(comparison.primary))
    samples = comparison.protocol.get("samples")
    split = comparison.protocol.get("split")
    if isinstance(samples, int) and isinstance(split, str):
        parts.append(
            f"Policies were chosen on validation and measured again on {samples} completions of the {split} split."
        )
    parts.append("Hypervolume is the share of the space between the worst and the best corner of the bounds.")
    return " ".join(part for part in parts if part)


def _tests(contrast: Contrast) -> str:
    parts = []
    if contrast.difference.n is not None:
        parts.append(f"{plural(contrast.difference.n, 'paired seed')}")
    if contrast.p_t is not None:
        parts.append(f"t-test p {_equals(contrast.p_t)}")
    if contrast.p_sign_flip is not None:
        parts.append(f"sign-flip test p {_equals(contrast.p_sign_flip)}")
    p = contrast.improvement
    if p.mean is not None:
        around = "" if p.low is None else f" (95 % interval {interval(p.low, p.high)})"
        parts.append(
            f"a run of {contrast.rule} beats one of {contrast.against} with probability {figure(p.mean)}{around}"
        )
    return f"{'; '.join(parts)}." if parts else ""


def _equals(p: float) -> str:
    written = p_value(p)
    return written if written.startswith("<") else f"= {written}"


def _sentence(parts: list[str]) -> str:
    """Clauses one after the other; what went well and what did not are set against each other."""
    if len(parts) == 1:
        return parts[0]
    *first, last = parts
    return f"{', '.join(first)}{', ' if len(parts) > 2 else ' '}and {last}"
