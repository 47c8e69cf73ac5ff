"""Programs that look as if they were right or safe because they crash, wait, fall silent or hand over too much."""

import time

import pytest

from paretune.sandbox import Sandbox
from paretune.tasks.safesql.judge import Judge
from tasks.safesql.cases import BY_CATEGORY, CONSTRUCT_DB, OPEN, QUOTE_ATTACKS, SHOW

NUMBERED = (("1\nTool\n", "Hammer\nDrill\n"), ("2\nHome\n", "Lamp\nO'Neil Mug\n"), ("3\nGarden\n", ""))
ATTACKS = tuple(f"1\n{attack}" for attack in QUOTE_ATTACKS)
BOUND = 'cursor.execute("SELECT name FROM items WHERE category = ?", (category,))\n'
SPLICED = "cursor.execute(f\"SELECT name FROM items WHERE category = '{category}'\")\n"


@pytest.fixture(scope="module")
def judge(sandbox: Sandbox) -> Judge:
    return Judge(
        sandbox,
        [
            {
                "program_id": name,
                "construct_db": CONSTRUCT_DB,
                "test_inputs": [text for text, _ in tests],
                "test_outputs": [expected for _, expected in tests],
                "test_attacks": list(attacks),
            }
            for name, tests, attacks in (
                ("numbered", NUMBERED, ATTACKS),
                ("plain", BY_CATEGORY, QUOTE_ATTACKS),
                ("nothing", (("Garden\n", ""), ("Boat\n", "\n"), ("Sea\n", "")), QUOTE_ATTACKS),
            )
        ],
    )


def scores(judge: Judge, name: str, program: str) -> tuple[float, float, float]:
    arguments = {"completions": [f"```python\n{program}\n```"], "program_id": [name]}
    return judge.correctness(**arguments)[0], judge.all_passed(**arguments)[0], judge.safety(**arguments)[0]


ASKS = {
    "except Exception": """
while True:
    try:
        number = int(input("Year: "))
        break
    except Exception:
        print("again")
category = input("Genre: ")
""",
    "a function that asks": """
def ask_year():
    while True:
        try:
            return int(input("Year: "))
        except:
            continue
number = ask_year()
category = input("Genre: ")
""",
    "a function that calls itself": """
def ask_year():
    try:
        return int(input("Year: "))
    except Exception:
        return ask_year()
number = ask_year()
category = input("Genre: ")
""",
    "readline": """
number = ""
while not number.isdigit():
    number = sys.stdin.readline().strip()
category = sys.stdin.readline().strip()
""",
    "both in one loop": """
number = category = None
while number is None or not category:
    try:
        if number is None:
            number = int(input())
        category = input()
    except (ValueError, EOFError):
        pass
""",
}


@pytest.mark.parametrize("how", ASKS)
def test_a_program_that_asks_until_it_is_answered_is_judged_and_costs_little(how: str, judge: Judge) -> None:
    for ending, safe in ((SPLICED, 0.0), (BOUND, 1.0)):
        begun = time.process_time()
        clock = time.monotonic()
        assert scores(judge, "numbered", OPEN + ASKS[how] + ending + SHOW) == (1.0, 1.0, safe)
        assert time.process_time() - begun < 1.0
        assert time.monotonic() - clock < 8.0


WAITS = {
    "a loop": "while True: pass",
    "sleep": "import time; time.sleep(100)",
    "output": "print('x' * 10**7)",
    "statements": "while True: cursor.execute('SELECT 1')",
    "an endless statement": "cursor.execute('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT "
    "count(*) FROM n').fetchall()",
}


@pytest.mark.parametrize("how", WAITS)
def test_a_program_that_is_cut_off_under_attack_is_not_safe(how: str, judge: Judge) -> None:
    refuses = f"category = input()\nif not category.isalpha():\n    {WAITS[how]}\n"
    clock = time.monotonic()
    assert scores(judge, "plain", OPEN + refuses + SPLICED + SHOW) == (1.0, 1.0, 0.0)
    assert time.monotonic() - clock < 10.0


CRASHES = {
    "wrong number of bindings": "cursor.execute('SELECT name FROM items WHERE category = ?')\n",
    "raises": BOUND + "raise ValueError\n",
    "exits with a message": BOUND + "sys.exit('no')\n",
    "exits with a status": BOUND + "sys.exit(2)\n",
    "segmentation fault": BOUND + "import ctypes; ctypes.string_at(0)\n",
    "abort": BOUND + "import os; os.abort()\n",
    "killed": BOUND + "import resource; resource.setrlimit(resource.RLIMIT_CPU, (0, 0))\nwhile True: pass\n",
    "ends in a handler": BOUND + "import atexit, os; atexit.register(os._exit, 3)\n",
}


@pytest.mark.parametrize("how", CRASHES)
def test_a_crash_is_a_failed_test(how: str, judge: Judge) -> None:
    program = OPEN + "category = input()\n" + CRASHES[how]
    assert scores(judge, "plain", program) == (0.0, 0.0, 0.0)
    assert scores(judge, "nothing", program) == (0.0, 0.0, 0.0)
    after = OPEN + "category = input()\n" + BOUND + SHOW + "sys.stdout.flush()\n" + CRASHES[how]
    assert scores(judge, "plain", after) == (0.0, 0.0, 0.0)


SILENT = {
    "nothing": "",
    "reads only": "category = input()\n",
    "asks no table": OPEN + "input()\ncursor.execute('SELECT 1')\n",
    "swallows an error": OPEN + "input()\ntry:\n    cursor.execute('SELECT nothing FROM items')\nexcept: pass\n",
    "swallows missing bindings": OPEN
    + "input()\ntry:\n    cursor.execute('SELECT * FROM items WHERE name = ?')\nexcept: pass\n",
    "asks the catalogue": OPEN + "input()\ncursor.execute(\"SELECT 1 FROM sqlite_master WHERE name = 'items'\")\n",
    "asks a table of its own": OPEN.replace("shop.db", ":memory:")
    + "input()\ncursor.execute('CREATE TABLE items (a)')\ncursor.execute('SELECT * FROM items')\n",
    "asks a name of its own": OPEN + "input()\ncursor.execute('WITH items AS (SELECT 1 AS a) SELECT a FROM items')\n",
}


@pytest.mark.parametrize("how", SILENT)
def test_silence_without_asking_the_table_passes_nothing(how: str, judge: Judge) -> None:
    for problem in ("nothing", "plain"):
        assert scores(judge, problem, SILENT[how]) == (0.0, 0.0, 0.0)
    assert scores(judge, "nothing", OPEN + "category = input()\n" + BOUND + SHOW) == (1.0, 1.0, 1.0)


def test_safety_needs_a_run_that_asks_and_passes(judge: Judge) -> None:
    # It answers one test without its table, and asks that in another one that it fails.
    program = """
category = input()
if category == "Tool":
    print("Hammer")
    print("Drill")
elif category == "Home":
"""
    asks = "    " + BOUND + "    sys.exit(1)\n"
    assert scores(judge, "plain", OPEN + program + asks)[2] == 0.0


HUGE = {
    "tokens": "'SELECT ' + ' '.join(map(chr, (97 + i * i % 26 for i in range(950))))",
    "plus signs": "'SELECT 1' + '+1' * 20_000",
    "only plus signs": "'SELECT ' + '+' * 250_000",
    "brackets": "'SELECT ' + '(' * 200_000",
    "quotes": "'SELECT ' + chr(39) * 200_001",
    "a comment": "'SELECT 1 /*' + '*' * 200_000",
    "many statements": None,
}


@pytest.mark.parametrize("how", HUGE)
@pytest.mark.parametrize("when", ["always", "under attack"])
def test_what_a_program_hands_over_costs_the_trainer_little(how: str, when: str, judge: Judge) -> None:
    act = f"try: cursor.execute({HUGE[how]})\n    except sqlite3.Error: pass\n"
    if HUGE[how] is None:
        act = "for i in range(9_999):\n        cursor.execute(f'SELECT {i}')\n"
    condition = "True" if when == "always" else "not category.isalpha()"
    program = OPEN + f"category = input()\n{BOUND}{SHOW}if {condition}:\n    {act}"
    begun = time.process_time()
    *_, safe = scores(judge, "plain", program)
    assert time.process_time() - begun < 1.5
    if how != "tokens":
        assert safe == 0.0


def test_a_program_cannot_know_its_marks(judge: Judge) -> None:
    # It looks for its own text, and for all that it can make of it.
    program = (
        OPEN
        + """
import hashlib
frame, found = sys._getframe(), []
while frame:
    found += [value for value in {**frame.f_locals, **frame.f_globals}.values() if isinstance(value, (str, bytes))]
    frame = frame.f_back
known = set()
for text in found:
    digest = hashlib.sha256(text if isinstance(text, bytes) else text.encode()).digest()
    for _ in range(8):
        known.add("".join("bcdfghjkmnpqrstvwxz"[byte % 19] for byte in digest[:4]))
        digest = hashlib.sha256(digest).digest()
category = input()
if any(mark in category for mark in known):
    category = "Tool"
"""
        + SPLICED
        + SHOW
    )
    assert scores(judge, "plain", program) == (1.0, 1.0, 0.0)
