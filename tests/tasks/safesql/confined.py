"""Programs that let no input out of its literal, some in ways that look as if they did."""

from tasks.safesql.cases import (
    BY_CATEGORY,
    BY_COLUMN,
    BY_NAME,
    BY_NUMBER,
    BY_TWO,
    NUMBER_ATTACKS,
    OPEN,
    SEVERAL,
    SHOW,
    Case,
    two_lines,
)

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
        "known_to_the_database", "the value is looked up, bound, and only one that is there is spliced",
        OPEN + """
category = input()
cursor.execute("SELECT COUNT(*) FROM items WHERE category = ?", (category,))
if cursor.fetchone()[0] == 0:
    sys.exit()
cursor.execute(f"SELECT name FROM items WHERE category = '{category}'")
""" + SHOW,
        BY_CATEGORY,
    ),
    Case(
        "letters_only", "everything else is taken out before the value enters its literal",
        OPEN + """
allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
name = "".join(letter for letter in input() if letter in allowed)
cursor.execute(f"SELECT name FROM items WHERE name = '{name}'")
""" + SHOW,
        BY_NAME,
    ),
]  # fmt: skip
