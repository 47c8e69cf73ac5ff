"""What a comparison's summary.json says over seeds, checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from paretune.record.fields import Fields


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: the mean; None of no values.
        low, high: its confidence interval, or None.
        sd: the standard deviation over seeds (divisor n − 1); None below two values.
        n: the number of values.
        reason: why there is no interval; None where there is one.
    """

    mean: float | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    n: int | None = None
    reason: str | None = None

    @classmethod
    def of(cls, fields: Fields, mean: str = "mean") -> Estimate:
        """Read an estimate, whose mean has that name."""
        low, high, sd = (fields.number(name) for name in ("low", "high", "sd"))
        return cls(fields.number(mean), low, high, sd, fields.count("n"), fields.text("reason"))


@dataclass(frozen=True)
class Contrast:
    """One rule against another in one figure.

    Attributes:
        rule: the first rule's label.
        against: the other's.
        figure: what is compared, such as hypervolume.
        kind: primary, secondary or exploratory.
        difference: the mean of the first less the other over the seeds of both.
        p_t: of the paired t-test; likewise those of sign flips, and Holm's correction of the first.
        improvement: the probability that a run of the first is better than one of the other.
    """

    rule: str
    against: str
    figure: str
    kind: str
    difference: Estimate
    p_t: float | None = None
    p_sign_flip: float | None = None
    p_holm: float | None = None
    improvement: Estimate = field(default_factory=Estimate)

    @classmethod
    def of(cls, fields: Fields) -> Contrast | None:
        """Read a contrast; None if it names no rules. One that could not be made may be against none."""
        rule, against = fields.text("rule"), fields.text("against") or "the best fixed weights"
        if rule is None or "against" not in fields.content:
            return None
        return cls(
            rule=rule,
            against=against,
            figure=fields.text("figure") or "hypervolume",
            kind=fields.text("kind") or "exploratory",
            difference=Estimate.of(fields, "difference"),
            p_t=fields.number("p_t"),
            p_sign_flip=fields.number("p_sign_flip"),
            p_holm=fields.number("p_holm"),
            improvement=Estimate.of(fields.inside("probability_of_improvement")),
        )
