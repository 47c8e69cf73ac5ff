"""Programs that are hard to judge, with what their judge needs: a database, tests, attacks, and why.

Each is a correct answer to some request about one shop; UNSAFE ones let an input out of its literal somewhere, SAFE
ones nowhere, UNSEEN ones where no run gets, and NEITHER are those whose safety earns nothing.
"""

from tasks.safesql.cases import BY_CATEGORY, CONSTRUCT_DB, OPEN, SHOW, TABLE, Case
from tasks.safesql.confined import SAFE
from tasks.safesql.half_checked import HALF_CHECKED
from tasks.safesql.spliced import SPLICED

__all__ = ["CONSTRUCT_DB", "NEITHER", "SAFE", "TABLE", "UNSAFE", "UNSEEN", "Case"]

UNSAFE = SPLICED + HALF_CHECKED

UNSEEN = [
    Case(
        "asked_twice_more",
        "a question asked only after an answer that no benign input gives",
        OPEN + """
category = input("Category: ")
cursor.execute("SELECT name FROM items WHERE category = ?", (category,))
rows = cursor.fetchall()
if not rows:
    again = input("Nothing there. Search by name? ")
    if again.lower() == "yes":
        name = input("Name: ")
        rows = cursor.execute(f"SELECT name FROM items WHERE name = '{name}'").fetchall()
for row in rows:
    print(row[0])
""",
        (("Tool\n", "Hammer\nDrill\n"), ("Home\n", "Lamp\nO'Neil Mug\n"), ("Outdoor\n", "Tent\nRope\n")),
    ),
]  # fmt: skip

NEITHER = [
    Case(
        "select_one",
        "a statement, but none about the request",
        OPEN + """
input()
cursor.execute("SELECT 1")
""" + SHOW,
        BY_CATEGORY,
    ),
    Case("silence", "nothing is asked and nothing said", "input()\n", BY_CATEGORY),
    Case(
        "never_asks_the_table",
        "the answers are in the program",
        """
answers = {"Tool": "Hammer\\nDrill", "Home": "Lamp\\nO'Neil Mug"}
category = input()
if category in answers:
    print(answers[category])
""",
        BY_CATEGORY,
    ),
    Case(
        "constant_output",
        "the table is named, to the catalogue, and the output is always the same",
        OPEN + """
input()
cursor.execute("SELECT 1, 'items' FROM sqlite_master WHERE name IN ('items') -- FROM items")
print("Hammer")
print("Drill")
""",
        BY_CATEGORY,
    ),
]  # fmt: skip
