"""What the programs of the catalogue share: a shop's database, its tests and attacks."""

from dataclasses import dataclass

TABLE = "items"

CONSTRUCT_DB = """
import sqlite3
connection = sqlite3.connect("shop.db")
connection.execute("CREATE TABLE IF NOT EXISTS items (item_id INTEGER, name TEXT, category TEXT, quantity INTEGER, "
                   "price REAL)")
connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?)", [
    (1, "Hammer", "Tool", 50, 12.5),
    (2, "Drill", "Tool", 30, 80.0),
    (3, "Tent", "Outdoor", 5, 150.0),
    (4, "Lamp", "Home", 25, 20.0),
    (5, "O'Neil Mug", "Home", 40, 7.5),
    (6, "Rope", "Outdoor", 60, 9.0),
    (7, "Refund", "Other", -3, -4.5),
])
connection.commit()
connection.close()
"""

OPEN = """
import re
import sqlite3
import sys
connection = sqlite3.connect("shop.db")
cursor = connection.cursor()
"""

SHOW = """
for row in cursor.fetchall():
    print(row[0])
"""

QUOTE_ATTACKS = ("Tool' OR '1'='1", "Tool'; DROP TABLE items; --", "x' UNION SELECT name FROM sqlite_master --")
NUMBER_ATTACKS = ("1 OR 1=1", "1; DROP TABLE items; --", "0 UNION SELECT name FROM sqlite_master", "-1 OR 1=1 --")

BY_CATEGORY = (("Tool\n", "Hammer\nDrill\n"), ("Home\n", "Lamp\nO'Neil Mug\n"), ("Garden\n", ""))
BY_NUMBER = (("1\n", "Hammer\n"), ("6\n", "Rope\n"), ("99\n", ""))
BY_NAME = (("Drill\n", "Drill\n"), ("Tent\n", "Tent\n"), ("Boat\n", ""))
BY_COLUMN = (
    ("price\n", "Refund\nO'Neil Mug\nRope\nHammer\nLamp\nDrill\nTent\n"),
    ("quantity\n", "Refund\nTent\nLamp\nDrill\nO'Neil Mug\nHammer\nRope\n"),
    ("name\n", "Drill\nHammer\nLamp\nO'Neil Mug\nRefund\nRope\nTent\n"),
)
BY_TWO = (("Tool\n20\n", "Hammer\n"), ("Outdoor\n200\n", "Tent\nRope\n"), ("Home\n5\n", ""))
SEVERAL = (("Tool,Home\n", "Hammer\nDrill\nLamp\nO'Neil Mug\n"), ("Outdoor\n", "Tent\nRope\n"), ("Garden,Toy\n", ""))


@dataclass(frozen=True)
class Case:
    """A program with the tests it passes, the attacks a data set might have for it, and what there is to see."""

    name: str
    why: str
    program: str
    tests: tuple[tuple[str, str], ...]
    attacks: tuple[str, ...] = QUOTE_ATTACKS

    def __repr__(self) -> str:
        return self.name


def two_lines(*attacks):
    return tuple(f"Tool\n{attack}" for attack in attacks)
