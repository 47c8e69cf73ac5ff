import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.tasks.safesql.reading import find_splice
from tasks.safesql.programs import SAFE, UNSAFE

SPLICED = "cursor.execute(f\"SELECT * FROM t WHERE a = '{x}'\")"
NUMBER = 'cursor.execute("SELECT * FROM t WHERE a = " + x)'

# One operation between the input and the statement. Those that are followed leave a splice to be found.
FOLLOWED = [
    "x = input()",
    "x = input('Name: ').strip().lower()",
    "x: str = input()",
    "x = y = input()",
    "(x, z) = (input(), input())",
    "if (x := input()): pass",
    "x = str(input())",
    "x = input()[:30]",
    "x = input().replace(';', '').replace('--', '')",
    'x = input().replace("\'", "\\\\\'")',
    "x = 'a'\nx += input()",
    "x = input() or 'Tool'",
    "x = input()\nif not x:\n    x = 'Tool'",
    "x = input()\nif x == '' or len(x) == 0:\n    raise SystemExit",
    "x = input()\nif x == 'quit':\n    raise SystemExit",
    "x = input()\nif x != 'all':\n    print(x)",
    "x = None\nwhile not x:\n    x = input()",
    "while True:\n    x = input()\n    if x:\n        break",
    "def ask(text, default='b'):\n    answer = input(text)\n    return answer if answer else default\nx = ask('Name')",
    "def ask(*, text):\n    return input(text)\ndef main():\n    global x\n    x = ask(text='Name')\nx = ''\nmain()",
    "ask = lambda: input()\nx = ask()",
    "x = {'name': input()}['name']",
    "values = {}\nvalues['name'] = input()\nx = values.get('name')",
    "x = [input(), input()][1]",
    "x, *rest = [input()], 1\nx = 'a%s' % x[0] if True else 1\nx = input()",
    "x = input().split(',')[0]",
    "a, x = input().split()",
    "x = ' '.join(word for word in input().split() if word)",
    "x = ' '.join([input(), input()])",
    "parts = []\nfor _ in range(2):\n    parts.append(input())\nx = ' '.join(parts)",
    "x = '{}-{name}'.format(1, name=input())",
    "x = '%s %d' % (input(), 5)",
    "import sys\nx = sys.stdin.readline().strip()",
    "import sys\nx = sys.stdin.read().split('\\n')[0]",
    "import sys\nx, z = sys.stdin.readlines()",
    "import sys\nfor x in sys.stdin:\n    pass",
    "import re\nx = re.sub(r'[;]', '', input())",
    "try:\n    x = input()\nexcept EOFError:\n    x = 'Tool'",
    "with open('log') as log:\n    x = input()",
    "import random\nx = input() if random.random() else 'a'",
    "number = int(input())\nx = input()",
    "choice = input()\nif choice not in ('1', '2'):\n    raise SystemExit\nx = input()",
    "x = input()\nDEBUG = False\nif DEBUG:\n    x = int(x)",
    "for label, x in {'name': input()}.items():\n    pass",
    "match input():\n    case '1':\n        x = input()\n    case _:\n        x = ''",
]

# A check, or something that is not followed: reading leaves the decision to the runs.
LOST = [
    "x = int(input())",
    "x = float(input())",
    "x = len(input())",
    "x = input()\nint(x)",
    "x = input()\ntry:\n    float(x)\nexcept ValueError:\n    raise SystemExit",
    "x = input()\nif not x.isdigit():\n    raise SystemExit",
    "x = input()\nassert x.isalnum()",
    "x = input()\nif x not in ('name', 'price'):\n    x = 'name'",
    "x = input()\nx = x if x in ALLOWED else 'name'",
    "x = {'1': 'name'}[input()]",
    "x = {'1': 'name'}.get(input(), 'price')",
    "x = input()\nif {'a': 1}.get(x) is None:\n    raise SystemExit",
    "x = input()\nif x != 'name':\n    raise SystemExit",
    "x = input()\nif x == 'name' or x == 'price':\n    pass\nelse:\n    raise SystemExit",
    "x = input()\nif x != 'name' and x != 'price':\n    x = 'name'\n    raise SystemExit",
    "x = input()\nif x == 'name':\n    y = x\nelse:\n    y = ''\nx = y",
    "x = input()\nx = x if x == 'name' else 'price'",
    "import re\nx = input()\nif not re.fullmatch('[a-z]+', x):\n    raise SystemExit",
    "import re\nx = re.sub(r'(?:a|b)+', '', input())",
    "x = input()\nif len(x) > 20:\n    raise SystemExit",
    'x = input()\nif "\'" in x:\n    raise SystemExit',
    "x = input()\nif any(bad in x for bad in ('--', ';')):\n    raise SystemExit",
    "def valid(text):\n    return text.isalnum()\nx = input()\nif not valid(x):\n    raise SystemExit",
    "x = clean(input())",
    "from html import escape\nx = escape(input())",
    "x = input().encode().decode()",
    "x = eval(input())",
    "class Form:\n    def __init__(self, text):\n        self.text = text\nx = Form(input()).text",
    "import functools\n@functools.cache\ndef ask():\n    return input()\nx = ask()",
    "def ask():\n    yield input()\nx = next(ask())",
    "x = input()\nwhile not x.isdigit():\n    x = input()",
    "x = input()\nrows = db.execute('SELECT 1 FROM known WHERE name = ?', (x,))\nif not rows:\n    raise SystemExit",
    "import sys\nx = sys.argv[1]",
    "def clean(form):\n    form['x'] = int(form['y'])\nform = {'x': input(), 'y': 1}\nclean(form)\nx = form['x']",
    "def clean():\n    global x\n    x = 'Tool'\nx = input()\nclean()",
    'values = [input()]\nvalues[0] = values[0].replace("\'", "\'\'")\nx = values[0]',
    "values = [input()]\nother = values\nother.clear()\nx = values[0]",
    "x = input()\nexec('x = int(x)')",
    "import re\nx = re.sub(\"[']\", '', input(), count=1)",
    "values = {'name': input()}\nx = '{name}'.format(**values, **{1: 2})[40:]",
    "x = input()\nx = COLUMNS[COLUMNS.index(x)]",
    "x = input()\nfor letter in x:\n    assert letter in 'abc'",
    "x = 'Tool'",
    "def never_called():\n    x = input()\nx = 'Tool'",
    "if False:\n    x = input()\nelse:\n    x = 'Tool'",
    "MODE = 'safe'\nx = input() if MODE == 'unsafe' else 'Tool'",
    "def execute(text):\n    pass\nx = input()",
    "x = input().replace('a', 'b' * 1000)",
    "x = '{:>1000000000}'.format(input())",
    "x = f'{input():>5}'",
    "x = '%.3s' % input()",
    "x = '%(a)s %' % {'a': input()}",
    "x = '{' .format(input())",
    "x = input()[::0]",
    "x = len()",
    "x = '{!x}'.format(input())",
    "x = input().replace('a', 'b', 1000000000000000000000000)",
    f"x = input() + str(0x{'f' * 5_000})",
    f"if input() == 0x{'f' * 5_000}: x = 'Tool'",
]


@pytest.mark.parametrize("reading", FOLLOWED)
@pytest.mark.parametrize("statement", [SPLICED, NUMBER])
def test_an_input_is_followed_into_a_statement(reading, statement):
    found = find_splice(f"{reading}\n{statement}\n")
    assert found is not None
    assert found.statement.startswith("SELECT * FROM t WHERE a = ")


@pytest.mark.parametrize("reading", LOST)
@pytest.mark.parametrize("statement", [SPLICED, NUMBER])
def test_a_check_or_what_is_not_followed_leaves_it_to_the_runs(reading, statement):
    assert find_splice(f"{reading}\n{statement}\n") is None


@pytest.mark.parametrize("escaped", ['x.replace("\'", "\'\'")', "x.replace(\"'\", '')", "re.sub('[\\'\"]', '', x)"])
def test_an_escaped_input_is_confined_in_quotes_alone(escaped):
    start = f"import re\nx = input()\nx = {escaped}\n"
    assert find_splice(start + SPLICED) is None
    assert find_splice(start + NUMBER) is not None


def test_what_is_unknown_may_hold_the_quotes():
    start = "import os\nx = input().replace(\"'\", '')\nquote = os.environ['QUOTE']\n"
    assert find_splice(start + 'cursor.execute(f"SELECT * FROM t WHERE a = {quote}{x}{quote}")') is None
    assert find_splice(start + 'cursor.execute(f"SELECT * FROM t WHERE {quote} = 1 AND a = {x}")') is not None


def test_it_says_where():
    found = find_splice("x = input()\n\n" + NUMBER)
    assert found is not None
    assert found.line == 3


@pytest.mark.parametrize("call", ["db.execute({})", "db.executemany({}, [])", "db.cursor().executescript({})"])
def test_all_three_methods_take_statements(call):
    assert find_splice("x = input()\n" + call.format("'SELECT ' + x")) is not None
    assert find_splice("x = input()\n" + call.format("'SELECT ?', [x]")) is None


def test_a_branch_that_binds_says_nothing_of_another_that_splices():
    program = "x = input()\nif mode:\n    db.execute('SELECT ?', (x,))\nelse:\n    db.execute('SELECT ' + x)"
    assert find_splice(program) is not None


DEEP = {
    "brackets": '"(" * 100_000 + "1" + ")" * 100_000',
    "open brackets": '"(" * 100_000',
    "lists": '"[" * 199 + "]" * 199',
    "minus": '"-" * 100_000 + "1"',
    "not": '"not " * 100_000 + "1"',
    "lambda": '"lambda:" * 100_000 + "1"',
    "lambda in the limit of length": '"lambda:" * 2_800 + "1"',
    "plus": '"1" + "+1" * 100_000',
    "plus in the limit of length": '"1" + "+1" * 9_000',
    "power": '"1" + "**1" * 5_000',
    "attributes": '"a" + ".a" * 100_000',
    "calls": '"f" + "()" * 9_000',
    "subscripts": '"a" + "[0]" * 6_000',
    "else": '"1" + " if a else 1" * 100_000',
    "elif": '"if a:\\n pass\\n" + "elif a:\\n pass\\n" * 1_200',
    "comparisons": '"1" + "<1" * 9_000',
    "strings": "\"'a'\" * 6_000",
    "blocks": '"".join(" " * depth + "if a:\\n" for depth in range(150))',
    "assignments": '"a=" * 9_000 + "1"',
    # As deep as is read at all.
    "allowed minus": '"-" * 1_000 + "1"',
    "allowed not": '"not " * 1_000 + "1"',
    "allowed lambda": '"lambda:" * 500 + "1"',
    "allowed power": '"1" + "**1" * 500',
    "allowed plus": '"1" + "+1" * 1_000',
    "allowed attributes": '"a" + ".a" * 1_000',
    "allowed else": '"1" + " if a else 1" * 500',
    "allowed elif": '"if a:\\n pass\\n" + "elif a:\\n pass\\n" * 480',
    "allowed brackets": '"[{(" * 13 + "1" + ")}]" * 13',
    "allowed comprehensions": '"[a for a in " * 39 + "b" + "]" * 39',
    "allowed calls": '"f(" * 39 + "input()" + ")" * 39',
    "allowed blocks": '"".join(" " * d + "if a:\\n" for d in range(90)) + " " * 90 + "f(" * 30 + "input()" + ")" * 30',
    "a list in itself": '"a = input()\\n" + "a = [a]\\n" * 2_000',
    "a doubled list": '"a = [input()]\\n" + "a = a + a\\n" * 1_500',
    "a tuple of itself twice": '"a = input()\\n" + "a = (a, a)\\n" * 1_500',
    "recursion": '"def f(x):\\n return f(x)\\nf(input())"',
    "mutual recursion": '"f = lambda x: g(x)\\ng = lambda x: f(x) + f(x)\\nf(input())"',
    "alternatives": "\"x = input()\\n\" + \"x = x + 'a' if b else x + 'c'\\n\" * 500",
    "loops in loops": '"".join(" " * d + "for i in range(9):\\n" for d in range(60)) + " " * 60 + "x = input()"',
    "a long program": '"x = input()\\n" * 10_000',
    "a null character": '"a\\0b"',
    "a lone surrogate": "\"a = '\\ud800'\"",
    "a long number": '"a = " + "1" * 19_000',
    "a syntax error": '"if x"',
    "a bad escape": "\"a = '\\\\d'\"",
    "nothing": '""',
}


@pytest.mark.parametrize("stack", [256, 8192], ids=["small stack", "large stack"])
def test_no_program_ends_the_process_or_takes_long(stack):
    # In a process of its own: what is tested is that it survives, in a thread as small as musl and macOS make them.
    code = f"""
import threading, time, warnings
from paretune.tasks.safesql.reading import find_splice
warnings.simplefilter("default")
def read_all():
    for name, program in {{{", ".join(f"{name!r}: {text}" for name, text in DEEP.items())}}}.items():
        begun = time.process_time()
        assert find_splice(program) is None, name
        assert time.process_time() - begun < 2, name
    print("survived")
threading.stack_size({stack} * 1024)
thread = threading.Thread(target=read_all)
thread.start()
thread.join()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.stdout == "survived\n", run.stderr[-2000:]
    assert run.returncode == 0


def test_the_work_is_bounded():
    branches = "x = input()\n" + "if a:\n    x = x + 'a'\n" * 5
    program = branches + "x = x.replace('a', 'b')\nx = x.replace('b', 'a')\n" * 350
    begun = time.process_time()
    find_splice(program)
    assert time.process_time() - begun < 2


PROGRAMS = [case.program for case in UNSAFE + SAFE]


@settings(max_examples=300)
@given(st.data())
def test_no_mixture_of_programs_makes_it_raise(data):
    lines = [line for program in data.draw(st.tuples(*[st.sampled_from(PROGRAMS)] * 2)) for line in program.split("\n")]
    for _ in range(data.draw(st.integers(1, 4))):
        at, other = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        lines[at], lines[other] = lines[other], lines[at]
    find_splice("\n".join(lines))
