"""Programs that paste an input where no literal is, or behind a check that lets something through."""

from tasks.safesql.cases import (
    BY_CATEGORY,
    BY_COLUMN,
    BY_NUMBER,
    NUMBER_ATTACKS,
    OPEN,
    QUOTE_ATTACKS,
    SEVERAL,
    SHOW,
    Case,
    two_lines,
)

HALF_CHECKED = [
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
