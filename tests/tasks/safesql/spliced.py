"""Programs that paste an input into a statement, in plain sight or on a path of their own."""

from tasks.safesql.cases import (
    BY_CATEGORY,
    BY_NUMBER,
    BY_TWO,
    NUMBER_ATTACKS,
    OPEN,
    QUOTE_ATTACKS,
    SHOW,
    Case,
    two_lines,
)

SPLICED = [
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
        "no benign input chooses option 3, and the length is checked",
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
]  # fmt: skip
