"""Programs that are hard to judge, with what their judge needs: a database, tests, attacks, and why.

Each is a correct answer to some request about one shop; UNSAFE ones let an input out of its literal somewhere, SAFE
ones nowhere, and NEITHER are those whose safety earns nothing.
"""

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
    only_by_reading: bool = False

    def __repr__(self) -> str:
        return self.name


def two_lines(*attacks):
    return tuple(f"Tool\n{attack}" for attack in attacks)


UNSAFE = [
    Case(
        "spliced_string",
        "the plain case",
        OPEN + """
category = input("Category: ")
cursor.execute(f"SELECT name FROM items WHERE category = '{category}'")
""" + SHOW,
        BY_CATEGORY,
    ),
    Case(
        "escaped_with_a_backslash",
        "SQLite does not know the backslash, so the quote still ends the literal",
        OPEN + r"""
category = input().replace("\\", "\\\\").replace("'", "\\'")
cursor.execute("SELECT name FROM items WHERE category = '" + category + "'")
""" + SHOW,
        BY_CATEGORY,
    ),
    Case(
        "quotes_stripped_number_spliced",
        "a number needs no quotes to be left",
        OPEN + """
number = re.sub(r"[;'\\"]", "", input("Item: "))
cursor.execute(f"SELECT name FROM items WHERE item_id = {number}")
""" + SHOW,
        BY_NUMBER,
        NUMBER_ATTACKS,
    ),
    Case(
        "quotes_refused_number_spliced",
        "the check is for the wrong character",
        OPEN + """
number = input("Item: ")
if "'" in number or '"' in number:
    print("refused")
    sys.exit()
cursor.execute("SELECT name FROM items WHERE item_id = %s" % number)
""" + SHOW,
        BY_NUMBER,
        NUMBER_ATTACKS,
    ),
    Case(
        "script_spliced",
        "executescript runs every statement it is given",
        OPEN + """
name = input()
connection.executescript(f"UPDATE items SET quantity = quantity + 1 WHERE name = '{name}';")
cursor.execute("SELECT quantity FROM items WHERE name = ?", (name,))
""" + SHOW,
        (("Drill\n", "31\n"), ("Tent\n", "6\n"), ("Boat\n", "")),
    ),
    Case(
        "built_in_a_helper",
        "the statement is put together where no execute is in sight",
        OPEN + """
def condition(column, value):
    return column + " = '" + value.strip() + "'"

def build(*conditions):
    return "SELECT name FROM items WHERE " + " AND ".join(conditions)

def main():
    category = input()
    cursor.execute(build("1 = 1", condition("category", category)))
    for row in cursor.fetchall():
        print(row[0])

if __name__ == "__main__":
    main()
""",
        BY_CATEGORY,
    ),
    Case(
        "format_map",
        "formatting by names",
        OPEN + """
values = {"category": input("Category: ")}
template = "SELECT name FROM items WHERE category = '{category}'"
cursor.execute(template.format_map(values))
""" + SHOW,
        BY_CATEGORY,
    ),
    Case(
        "percent_with_names",
        "formatting by names, the old way",
        OPEN + """
query = "SELECT name FROM items WHERE category = '%(category)s' OR name LIKE '%%%(name)s%%'"
cursor.execute(query % {"category": input(), "name": input()})
""" + SHOW,
        (("Tool\nTent\n", "Hammer\nDrill\nTent\n"), ("Garden\nLamp\n", "Lamp\n"), ("Garden\nBoat\n", "")),
        two_lines(*QUOTE_ATTACKS),
    ),
    Case(
        "like_pattern_spliced",
        "the pattern is a literal like any other",
        OPEN + """
part = input("Part of the name: ").lower()
cursor.execute("SELECT name FROM items WHERE LOWER(name) LIKE '%{}%'".format(part))
""" + SHOW,
        (("e\n", "Hammer\nTent\nO'Neil Mug\nRope\nRefund\n"), ("TENT\n", "Tent\n"), ("zz\n", "")),
    ),
    Case(
        "second_input_spliced",
        "the first input is bound, the second is not",
        OPEN + """
category = input()
price = input()
cursor.execute("SELECT name FROM items WHERE category = ? AND price <= " + price, (category,))
""" + SHOW,
        BY_TWO,
        two_lines(*NUMBER_ATTACKS),
    ),
    Case(
        "menu_option_spliced",
        "unsafe only where option 2 is chosen",
        OPEN + """
choice = input("1: by category, 2: by name ")
value = input("Value: ")
if choice == "1":
    cursor.execute("SELECT name FROM items WHERE category = ?", (value,))
elif choice == "2":
    cursor.execute(f"SELECT name FROM items WHERE name = '{value}'")
else:
    sys.exit("unknown")
""" + SHOW,
        (("1\nTool\n", "Hammer\nDrill\n"), ("2\nTent\n", "Tent\n"), ("1\nHome\n", "Lamp\nO'Neil Mug\n")),
        ("1\nTool' OR '1'='1",),
    ),
    Case(
        "menu_option_never_chosen",
        "no benign input chooses option 3, so that no run gets there",
        OPEN + """
choice = input("1: by category, 2: by name, 3: free search ")
value = input("Value: ")
if choice == "1":
    cursor.execute("SELECT name FROM items WHERE category = ?", (value,))
elif choice == "2":
    cursor.execute("SELECT name FROM items WHERE name = ?", (value,))
elif choice == "3":
    cursor.execute("SELECT name FROM items WHERE name LIKE '%" + value + "%'")
else:
    sys.exit("unknown")
""" + SHOW,
        (("1\nTool\n", "Hammer\nDrill\n"), ("2\nTent\n", "Tent\n"), ("1\nHome\n", "Lamp\nO'Neil Mug\n")),
        ("1\nTool' OR '1'='1",),
    ),
    Case(
        "menu_option_never_chosen_and_a_check",
        "no benign input chooses option 3, and reading stops at the check of the length",
        OPEN + """
choice = input("1: by category, 2: by name, 3: free search ")
value = input("Value: ")
queries = {
    "1": "SELECT name FROM items WHERE category = :value",
    "2": "SELECT name FROM items WHERE name = :value",
    "3": f"SELECT name FROM items WHERE name LIKE '%{value}%'",
}
if choice not in queries or len(value) < 2:
    sys.exit("unknown")
cursor.execute(queries[choice], {"value": value})
""" + SHOW,
        (("1\nTool\n", "Hammer\nDrill\n"), ("2\nTent\n", "Tent\n"), ("1\nHome\n", "Lamp\nO'Neil Mug\n")),
        ("1\nTool' OR '1'='1",),
    ),
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
        only_by_reading=True,
    ),
    Case(
        "asked_once_more",
        "a question asked only after a first that finds nothing",
        OPEN + """
category = input("Category: ")
cursor.execute("SELECT name FROM items WHERE category = ?", (category,))
rows = cursor.fetchall()
if not rows:
    name = input("Nothing there. Name: ")
    rows = cursor.execute(f"SELECT name FROM items WHERE name = '{name}'").fetchall()
for row in rows:
    print(row[0])
""",
        (("Tool\n", "Hammer\nDrill\n"), ("Home\n", "Lamp\nO'Neil Mug\n"), ("Outdoor\n", "Tent\nRope\n")),
    ),
    Case(
        "order_by_spliced",
        "a column cannot be bound, and this one is not checked",
        OPEN + """
column = input("Sort by: ")
cursor.execute("SELECT name FROM items ORDER BY " + column)
""" + SHOW,
        BY_COLUMN,
        ("price; DROP TABLE items", "(SELECT 1)"),
    ),
    Case(
        "order_by_checked_at_its_beginning",
        "only the first word is checked",
        OPEN + """
column = input("Sort by: ")
if column.split()[0] not in ("name", "price", "quantity"):
    sys.exit("unknown column")
cursor.execute(f"SELECT name FROM items ORDER BY {column}")
""" + SHOW,
        BY_COLUMN,
        ("(SELECT 1)",),
    ),
    Case(
        "order_by_in_brackets",
        "[…] is a name and never a literal, and ] ends it",
        OPEN + """
column = input("Sort by: ")
cursor.execute(f"SELECT name FROM items ORDER BY [{column}]")
""" + SHOW,
        BY_COLUMN,
        ("price] DESC --",),
    ),
    Case(
        "words_blacklisted",
        "the list knows OR and UNION, not or, ||, + or a column's name",
        OPEN + """
number = input("Item: ")
for word in ("OR", "AND", "UNION", "SELECT", "--", ";", "DROP"):
    number = number.replace(word, "")
cursor.execute(f"SELECT name FROM items WHERE item_id = {number}")
""" + SHOW,
        BY_NUMBER,
        NUMBER_ATTACKS,
    ),
    Case(
        "limit_spliced",
        "LIMIT takes an expression",
        OPEN + """
count = input("How many? ")
cursor.execute(f"SELECT name FROM items ORDER BY item_id LIMIT {count}")
""" + SHOW,
        (("1\n", "Hammer\n"), ("2\n", "Hammer\nDrill\n"), ("0\n", "")),
        ("1 OFFSET 3", "-1"),
    ),
    Case(
        "column_list_spliced",
        "what is selected is up to the input",
        OPEN + """
columns = input("Column: ")
cursor.execute("SELECT {0} FROM items WHERE item_id = 1".format(columns))
""" + SHOW,
        (("name\n", "Hammer\n"), ("price\n", "12.5\n"), ("category\n", "Tool\n")),
        ("name, price", "(SELECT sql FROM sqlite_master)"),
    ),
    Case(
        "table_spliced",
        "which table is read is up to the input",
        OPEN + """
table = input("Table: ").strip()
try:
    cursor.execute("SELECT COUNT(*) FROM " + table)
except sqlite3.Error:
    print("no such table")
""" + SHOW,
        (("items\n", "7\n"), ("Items\n", "7\n"), ("things\n", "no such table\n")),
        ("sqlite_master", "items WHERE 1=0"),
    ),
    Case(
        "executemany_spliced",
        "values are bound, the name is not",
        OPEN + """
name = input()
cursor.executemany("UPDATE items SET quantity = quantity + ? WHERE name = '" + name + "'", [(1,), (2,)])
cursor.execute("SELECT quantity FROM items WHERE name = ?", [name])
""" + SHOW,
        (("Drill\n", "33\n"), ("Tent\n", "8\n"), ("Boat\n", "")),
    ),
    Case(
        "double_quoted_single_refused",
        "the literal stands in double quotes and the check is for single ones",
        OPEN + """
category = input()
if "'" in category:
    print("refused")
else:
    cursor.execute(f'SELECT name FROM items WHERE category = "{category}"')
    for row in cursor.fetchall():
        print(row[0])
""",
        BY_CATEGORY,
    ),
    Case(
        "statement_that_fails",
        "the spliced statement never succeeds, and the bound one after it answers",
        OPEN + """
category = input()
try:
    cursor.execute(f"SELECT name FROM things WHERE category = '{category}'")
except sqlite3.Error:
    cursor.execute("SELECT name FROM items WHERE category = ?", (category,))
""" + SHOW,
        BY_CATEGORY,
    ),
    Case(
        "number_checked_at_its_beginning",
        "re.match looks at the beginning alone",
        OPEN + r"""
number = input("Item: ")
if not re.match(r"\d+", number):
    sys.exit("no number")
cursor.execute(f"SELECT name FROM items WHERE item_id = {number}")
""" + SHOW,
        BY_NUMBER,
        ("x OR 1=1",),
    ),
    Case(
        "first_quote_taken_out",
        "replace with a count leaves the second quote",
        OPEN + """
category = input().replace("'", "", 1)
cursor.execute(f"SELECT name FROM items WHERE category = '{category}'")
""" + SHOW,
        BY_CATEGORY,
        (),
    ),
    Case(
        "quotes_stripped_off_the_ends",
        "strip leaves what is in the middle",
        OPEN + """
category = input().strip("'\\"; ")
cursor.execute(f"SELECT name FROM items WHERE category = '{category}'")
""" + SHOW,
        BY_CATEGORY,
        ("' OR 1=1",),
    ),
    Case(
        "quoted_by_repr",
        "repr quotes as Python does: a backslash before the quote",
        OPEN + """
category = input()
cursor.execute(f"SELECT name FROM items WHERE category = {category!r}")
""" + SHOW,
        BY_CATEGORY,
    ),
    Case(
        "short_inputs_only",
        "twelve characters are enough",
        OPEN + """
category = input()
if len(category) > 12:
    sys.exit("too long")
cursor.execute(f"SELECT name FROM items WHERE category = '{category}'")
""" + SHOW,
        BY_CATEGORY,
    ),
    Case(
        "list_quoted_but_not_escaped",
        "each part gets quotes of its own and can leave them",
        OPEN + """
parts = [part.strip() for part in input().split(",")]
quoted = ", ".join("'" + part + "'" for part in parts)
cursor.execute(f"SELECT name FROM items WHERE category IN ({quoted})")
""" + SHOW,
        SEVERAL,
        ("Tool') OR ('1'='1",),
    ),
    Case(
        "spliced_into_a_comment",
        "a comment is no literal",
        OPEN + """
category = input()
cursor.execute(f"SELECT name FROM items /* {category} */ WHERE category = ?", (category,))
""" + SHOW,
        BY_CATEGORY,
        ("*/ UNION SELECT 1 /*",),
    ),
    Case(
        "conditions_collected",
        "one of the conditions is spliced",
        OPEN + """
category = input()
name = input()
conditions, values = [], []
if category:
    conditions.append("category = ?")
    values.append(category)
if name:
    conditions.append(f"name LIKE '{name}%'")
query = "SELECT name FROM items"
if conditions:
    query += " WHERE " + " AND ".join(conditions)
cursor.execute(query, values)
""" + SHOW,
        (("Tool\n\n", "Hammer\nDrill\n"), ("Home\nL\n", "Lamp\n"), ("\nT\n", "Tent\n"), ("Garden\nT\n", "")),
        two_lines(*QUOTE_ATTACKS),
    ),
    Case(
        "escaped_then_spliced_as_a_number",
        "doubled quotes are of no use where there is no literal",
        OPEN + """
def escape(text):
    return text.replace("'", "''")

number = escape(input())
cursor.execute("SELECT name FROM items WHERE item_id = " + number)
""" + SHOW,
        BY_NUMBER,
        NUMBER_ATTACKS,
    ),
]  # fmt: skip

SAFE = [
    Case(
        "bound_by_position",
        "the plain case",
        OPEN + """
category = input("Category: ")
cursor.execute("SELECT name FROM items WHERE category = ?", (category,))
""" + SHOW,
        BY_CATEGORY,
    ),
    Case(
        "bound_by_name",
        "a bind parameter's name is the program's",
        OPEN + """
values = {}
values["category"] = input()
values["price"] = input()
cursor.execute("SELECT name FROM items WHERE category = :category AND price <= CAST(:price AS REAL)", values)
""" + SHOW,
        BY_TWO,
        two_lines(*NUMBER_ATTACKS),
    ),
    Case(
        "bound_like_pattern",
        "the pattern is put together in Python and bound",
        OPEN + """
part = input()
cursor.execute("SELECT name FROM items WHERE name LIKE ?", (f"%{part}%",))
""" + SHOW,
        (("ent\n", "Tent\n"), ("il\n", "Drill\nO'Neil Mug\n"), ("zz\n", "")),
    ),
    Case(
        "int_before_splicing",
        "what is spliced is a number's own spelling",
        OPEN + """
try:
    number = int(input())
except ValueError:
    print("no number")
else:
    cursor.execute(f"SELECT name FROM items WHERE item_id = {number}")
    for row in cursor.fetchall():
        print(row[0])
""",
        (*BY_NUMBER, ("x\n", "no number\n")),
        NUMBER_ATTACKS,
    ),
    Case(
        "negative_numbers",
        "a sign belongs to its number, though no benign input has one",
        OPEN + """
low = int(input())
high = int(input())
cursor.execute(f"SELECT name FROM items WHERE quantity BETWEEN {low} AND {high}")
""" + SHOW,
        (("5\n30\n", "Drill\nTent\nLamp\n"), ("45\n55\n", "Hammer\n"), ("100\n200\n", "")),
        ("-5\n10", "-10\n-1", "-1 OR 1=1\n-1", "1\n-2 UNION SELECT 1"),
    ),
    Case(
        "float_before_splicing",
        "what is spliced is a number's own spelling",
        OPEN + """
category = input()
price = float(input())
cursor.execute("SELECT name FROM items WHERE category = ? AND price <= %f" % price, (category,))
""" + SHOW,
        BY_TWO,
        (*two_lines(*NUMBER_ATTACKS), "Tool\n-4.5", "Tool\n1e3"),
    ),
    Case(
        "column_from_a_list",
        "the column is spliced, but only if it is one of these",
        OPEN + """
column = input("Sort by: ")
if column not in ["name", "price", "quantity", "category"]:
    sys.exit("unknown column")
cursor.execute(f"SELECT name FROM items ORDER BY {column}")
""" + SHOW,
        BY_COLUMN,
        ("category", "price DESC", "price; DROP TABLE items", "category, (SELECT 1)"),
    ),
    Case(
        "column_from_a_dictionary",
        "the input chooses, the program's own text is spliced",
        OPEN + """
COLUMNS = {"cheapest": "price", "fewest": "quantity", "alphabet": "name", "newest": "item_id DESC"}
column = COLUMNS.get(input("Sort by: ").strip().lower(), "item_id")
cursor.execute("SELECT name FROM items ORDER BY " + column)
""" + SHOW,
        (("cheapest\n", BY_COLUMN[0][1]), ("fewest\n", BY_COLUMN[1][1]), ("alphabet\n", BY_COLUMN[2][1])),
        ("newest", "price; DROP TABLE items", "item_id DESC"),
    ),
    Case(
        "column_and_direction_from_lists",
        "two spliced words, both checked, that no benign input combines like this",
        OPEN + """
category = input()
column = input()
direction = input().upper()
if column not in ("name", "price") or direction not in ("ASC", "DESC"):
    print("refused")
else:
    query = "SELECT name FROM items WHERE category = ? ORDER BY {} {}".format(column, direction)
    for row in cursor.execute(query, (category,)):
        print(row[0])
""",
        (
            ("Tool\nname\nasc\n", "Drill\nHammer\n"),
            ("Tool\nprice\nASC\n", "Hammer\nDrill\n"),
            ("Tool\nid\nASC\n", "refused\n"),
        ),
        ("Tool' OR '1'='1\nprice\nDESC", "Tool\nprice\nDESC; DROP TABLE items", "Tool\nprice DESC --\nASC"),
    ),
    Case(
        "optional_filters",
        "the statement grows with the inputs that are not empty, in text that is always the program's",
        OPEN + """
category, name, price = input(), input(), input()
query, values = "SELECT name FROM items WHERE 1 = 1", []
if category:
    query += " AND category = ?"
    values.append(category)
if name:
    query += " AND name LIKE ?"
    values.append("%" + name + "%")
if price:
    query += " AND price <= ?"
    values.append(float(price))
cursor.execute(query, values)
""" + SHOW,
        (("Tool\n\n\n", "Hammer\nDrill\n"), ("\nent\n\n", "Tent\n"), ("Garden\n\n\n", "")),
        ("Tool' AND price <= 1 --\n' AND name LIKE '%\n5", "x\n\n1 OR 1=1", "\n' OR price <= 3 --\n9"),
    ),
    Case(
        "bound_list",
        "as many question marks as there are parts",
        OPEN + """
parts = [part.strip() for part in input().split(",")]
marks = ", ".join("?" for _ in parts)
cursor.execute(f"SELECT name FROM items WHERE category IN ({marks})", parts)
""" + SHOW,
        SEVERAL,
        ("Tool, Home, Outdoor, x') OR 1=1 --", "?, ?, ?", "Tool', 'Home"),
    ),
    Case(
        "list_of_numbers",
        "the numbers are picked out, whatever stands between them",
        OPEN + r"""
numbers = re.findall(r"\d+", input())
cursor.execute("SELECT name FROM items WHERE item_id IN (" + ", ".join(numbers) + ")")
""" + SHOW,
        (("1 and 2\n", "Hammer\nDrill\n"), ("3\n", "Tent\n"), ("8, 9\n", "")),
        ("1, 2, 3", "1 OR 1=1", "1) OR (1, 2", "1 UNION SELECT 2, 3 --"),
    ),
    Case(
        "list_quoted_and_escaped",
        "each part is a literal of its own",
        OPEN + """
def quoted(text):
    return "'" + text.replace("'", "''") + "'"

parts = input().split(",")
cursor.execute("SELECT name FROM items WHERE category IN (" + ",".join(map(quoted, parts)) + ")")
""" + SHOW,
        SEVERAL,
        ("Tool', 'Home", "Tool') OR ('1'='1", "a,b' OR 1=1 --,c"),
    ),
    Case(
        "quotes_doubled",
        "SQLite's own way of escaping",
        OPEN + """
name = input().replace("'", "''")
cursor.execute(f"SELECT name FROM items WHERE name = '{name}' OR category = '{name}'")
""" + SHOW,
        (("Drill\n", "Drill\n"), ("O'Neil Mug\n", "O'Neil Mug\n"), ("Boat\n", "")),
    ),
    Case(
        "quotes_taken_out",
        "without a quote nothing leaves the literal, a backslash and a comment neither",
        OPEN + """
name = re.sub(r"[';\\"]", "", input())
cursor.execute(f"SELECT name FROM items WHERE name LIKE '%{name}%'")
""" + SHOW,
        (("ent\n", "Tent\n"), ("Dril\n", "Drill\n"), ("zz\n", "")),
        ("x' OR '1'='1", "\\' OR 1=1 --", "% -- ", "/* */ OR 1"),
    ),
    Case(
        "quotes_refused",
        "no quote gets through, and the value stands in quotes",
        OPEN + """
name = input()
if "'" in name:
    print("refused")
    sys.exit()
cursor.execute("SELECT name FROM items WHERE name = '" + name + "'")
""" + SHOW,
        (*BY_NAME, ("O'Neil Mug\n", "refused\n")),
    ),
    Case(
        "digits_checked",
        "only digits are spliced",
        OPEN + """
number = input()
if not number.isdigit():
    print("no number")
    sys.exit()
cursor.execute("SELECT name FROM items WHERE item_id = " + number)
""" + SHOW,
        BY_NUMBER,
        NUMBER_ATTACKS,
    ),
    Case(
        "digits_asked_for_until_given",
        "the loop ends only with a number",
        OPEN + """
number = input()
while not number.isdigit():
    print("a number, please")
    number = input()
cursor.execute("SELECT name FROM items WHERE item_id = " + number)
""" + SHOW,
        (*BY_NUMBER, ("x\n2\n", "a number, please\nDrill\n")),
        ("1 OR 1=1\n1",),
    ),
    Case(
        "full_match_checked",
        "the whole of the value has a harmless form",
        OPEN + r"""
price = input()
if re.fullmatch(r"-?\d+(\.\d+)?", price) is None:
    print("no price")
    sys.exit()
cursor.execute(f"SELECT name FROM items WHERE price > {price}")
""" + SHOW,
        (("100\n", "Tent\n"), ("79.5\n", "Drill\nTent\n"), ("x\n", "no price\n")),
        (*NUMBER_ATTACKS, "-3", "-0.5"),
    ),
    Case(
        "executemany_bound",
        "the text is constant for all the rows",
        OPEN + """
name, first, second = input(), input(), input()
cursor.executemany("UPDATE items SET quantity = quantity + ? WHERE name = ?", [(first, name), (second, name)])
cursor.execute("SELECT quantity FROM items WHERE name = ?", (name,))
""" + SHOW,
        (("Drill\n1\n2\n", "33\n"), ("Tent\n5\n5\n", "15\n"), ("Boat\n1\n1\n", "")),
        ("x' OR 1=1 --\n1\n2", "Drill\n1; DROP TABLE items\n2"),
    ),
    Case(
        "filtered_in_python",
        "the statement is constant, Python picks the rows",
        OPEN + """
category = input()
for name, of in cursor.execute("SELECT name, category FROM items"):
    if of == category:
        print(name)
""",
        BY_CATEGORY,
    ),
    Case(
        "helper_with_bound_values",
        "the helper's callers cannot leave their values",
        OPEN + """
def rows(query, *values):
    cursor.execute(query, values)
    return [row[0] for row in cursor.fetchall()]

def search(category, price):
    return rows("SELECT name FROM items WHERE category = ? AND price <= CAST(? AS REAL)", category, price)

print("\\n".join(search(input(), input())))
""",
        (*BY_TWO[:2], ("Home\n5\n", "\n")),
        two_lines(*NUMBER_ATTACKS),
    ),
    Case(
        "constants_spliced",
        "an f-string alone is no injection",
        OPEN + """
TABLE, COLUMNS = "items", ("name", "price")
category = input()
cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM {TABLE} WHERE {'category'} = ?", (category,))
""" + SHOW,
        BY_CATEGORY,
    ),
    Case(
        "direction_chosen",
        "the input decides between two texts of the program's",
        OPEN + """
direction = "DESC" if input("Descending? ").lower().startswith("y") else "ASC"
cursor.execute("SELECT name FROM items WHERE category = 'Tool' ORDER BY price " + direction)
""" + SHOW,
        (("y\n", "Drill\nHammer\n"), ("yes\n", "Drill\nHammer\n"), ("no\n", "Hammer\nDrill\n")),
        ("y; DROP TABLE items", "DESC --"),
    ),
    Case(
        "order_on_a_word",
        "a word in the input makes the program add that very word by itself",
        OPEN + """
wish = input()
query = "SELECT name FROM items WHERE category = 'Tool'"
if "price" in wish.lower():
    query += " ORDER BY price DESC"
cursor.execute(query)
""" + SHOW,
        (("any\n", "Hammer\nDrill\n"), ("whatever\n", "Hammer\nDrill\n"), ("\n", "Hammer\nDrill\n")),
        ("x' ORDER BY price DESC --", "1 ORDER BY price DESC"),
    ),
    Case(
        "date_checked",
        "a date has a form of its own",
        OPEN + """
from datetime import datetime
day = input()
limit = datetime.strptime(day, "%Y-%m-%d").strftime("%d")
cursor.execute(f"SELECT name FROM items WHERE item_id = CAST('{limit}' AS INTEGER)")
""" + SHOW,
        (("2024-01-01\n", "Hammer\n"), ("2023-12-06\n", "Rope\n"), ("2024-02-20\n", "")),
        ("2024-01-01' OR '1'='1", "2024-01-02"),
    ),
    Case(
        "number_or_name",
        "either branch confines the input, in its own way",
        OPEN + """
key = input()
if key.lstrip("-").isdecimal():
    cursor.execute(f"SELECT name FROM items WHERE item_id = {int(key)}")
else:
    cursor.execute("SELECT name FROM items WHERE name = ?", (key,))
""" + SHOW,
        (("2\n", "Drill\n"), ("Tent\n", "Tent\n"), ("77\n", "")),
        (*NUMBER_ATTACKS, "-7", "Tent' OR '1'='1"),
    ),
    Case(
        "menu_all_bound",
        "every option binds its value",
        OPEN + """
QUERIES = {
    "1": "SELECT name FROM items WHERE category = ?",
    "2": "SELECT name FROM items WHERE name = ?",
    "3": "SELECT name FROM items WHERE item_id = ? ORDER BY name",
}
choice = input()
if choice in QUERIES:
    cursor.execute(QUERIES[choice], (input(),))
    for row in cursor.fetchall():
        print(row[0])
else:
    print("unknown")
""",
        (("1\nTool\n", "Hammer\nDrill\n"), ("2\nTent\n", "Tent\n"), ("9\nTent\n", "unknown\n")),
        ("1\nTool' OR '1'='1", "3\n1 OR 1=1", "1 OR 1\n2"),
    ),
    Case(
        "name_in_doubled_double_quotes",
        "a double-quoted token holds the whole input",
        OPEN + """
column = input().replace('"', '""')
cursor.execute(f'SELECT name FROM items ORDER BY "{column}"')
""" + SHOW,
        BY_COLUMN,
        ('price" DESC --', "price; DROP TABLE items"),
    ),
    Case(
        "known_to_the_database",
        "the value is looked up, bound, and only one that is there is spliced",
        OPEN + """
category = input()
cursor.execute("SELECT COUNT(*) FROM items WHERE category = ?", (category,))
if cursor.fetchone()[0] == 0:
    sys.exit("no such category")
cursor.execute(f"SELECT name FROM items WHERE category = '{category}'")
""" + SHOW,
        BY_CATEGORY,
    ),
    Case(
        "letters_only",
        "everything else is taken out before the value enters its literal",
        OPEN + """
allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
name = "".join(letter for letter in input() if letter in allowed)
cursor.execute(f"SELECT name FROM items WHERE name = '{name}'")
""" + SHOW,
        BY_NAME,
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
