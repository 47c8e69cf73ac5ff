"""Programs that use sqlite3 in many ways, and say what they see."""

START = """
import datetime, gc, sqlite3, sys

def tried(act):
    try:
        print("->", act())
    except Exception as error:
        code = getattr(error, "sqlite_errorcode", None), getattr(error, "sqlite_errorname", None)
        print(type(error).__mro__, error.args, code)
"""

_PEOPLE = """
connection = sqlite3.connect("people.db")
connection.execute("create table people (id integer primary key, name text not null, age int check (age >= 0))")
connection.executemany("insert into people (name, age) values (?, ?)", [("Ada", 36), ("Bob", 41), ("Čeněk", None)])
connection.commit()
"""

PROGRAMS = {
    "rows by name": _PEOPLE
    + """
connection.row_factory = sqlite3.Row
row = connection.execute("select id, name as Name, age from people where id = 2").fetchone()
print(row.keys(), tuple(row), len(row), row[0], row[-1], row[0:2], row["NAME"], list(row), dict(row))
print(row == connection.execute("select id, name as Name, age from people where id = 2").fetchone(), hash(row) != 0)
print(isinstance(row, sqlite3.Row), "Bob" in row, *row, [value for value in reversed(row)])
for key in ("none", 7, -7, 1.5, None):
    tried(lambda: row[key])
cursor = connection.cursor()
cursor.row_factory = lambda cursor, row: {c[0]: v for c, v in zip(cursor.description, row)}
print(cursor.execute("select * from people").fetchall(), cursor.row_factory is connection.row_factory)
""",
    "what a cursor shows": _PEOPLE
    + """
cursor = connection.cursor()
def show():
    print(cursor.description, cursor.rowcount, cursor.lastrowid, cursor.arraysize, cursor.connection is connection)
show()
for statement in (
    "select 1 as one, 'x'", "insert into people (name) values ('Dan'), ('Eve')", "update people set age = 1",
    "select * from people where id > 99", "delete from people where age = 1", "create table t (a)", "drop table t",
    "insert into people (name) values ('Fay') returning id, name", "", "-- nothing", "pragma table_info(people)",
    "select [id], name as [a b], count(*) from people", "with x as (select 1) select * from x", "explain select 1",
):
    cursor.execute(statement)
    show()
    print(cursor.fetchall())
    show()
cursor.executemany("insert into people (name) values (?)", [(str(i),) for i in range(5)])
show()
cursor.executescript("insert into people (name) values ('Gil'); select 1;")
show()
print(cursor.setinputsizes(None), cursor.setoutputsize(1), cursor.close())
tried(lambda: cursor.execute("select 1"))
tried(lambda: cursor.fetchone())
""",
    "transactions": _PEOPLE
    + """
print(connection.in_transaction, repr(connection.isolation_level))
connection.execute("insert into people (name) values ('Dan')")
print(connection.in_transaction, connection.total_changes)
connection.rollback()
print(connection.in_transaction, connection.execute("select count(*) from people").fetchall(), connection.total_changes)
connection.execute("begin immediate")
connection.execute("delete from people")
connection.execute("savepoint one")
connection.execute("insert into people (name) values ('Dan')")
connection.execute("rollback to one")
print(connection.execute("select count(*) from people").fetchone())
connection.execute("rollback")
print(connection.execute("select count(*) from people").fetchone(), connection.in_transaction)
tried(lambda: connection.execute("rollback"))
tried(lambda: connection.execute("commit"))
print(connection.rollback(), connection.commit())
connection.execute("delete from people where id = 1")
connection.close()
print(sqlite3.connect("people.db").execute("select id from people").fetchall())
""",
    "isolation levels": _PEOPLE
    + """
for level in (None, "", "DEFERRED", "immediate", "Exclusive", "none", 5):
    def act():
        connection.isolation_level = level
        connection.execute("update people set age = age")
        return connection.isolation_level, connection.in_transaction, connection.commit()
    tried(act)
other = sqlite3.connect("people.db", isolation_level=None)
other.execute("insert into people (name) values ('Dan')")
print(other.in_transaction, connection.execute("select count(*) from people").fetchone())
tried(lambda: sqlite3.connect("people.db", isolation_level="sometimes"))
""",
    "with": _PEOPLE
    + """
with connection:
    connection.execute("insert into people (name) values ('Dan')")
print(connection.in_transaction)
def failing():
    with connection as same:
        assert same is connection
        connection.execute("insert into people (name) values ('Eve')")
        raise KeyError("stop")
tried(failing)
print(connection.in_transaction, connection.execute("select name from people").fetchall())
from contextlib import closing
with closing(sqlite3.connect("people.db")) as second, closing(second.cursor()) as cursor:
    print(cursor.execute("select max(id) from people").fetchone())
tried(lambda: second.execute("select 1"))
""",
    "every kind of error": _PEOPLE
    + """
for statement in (
    "select * from nothing", "selec", "select nothing from people", "select 'open", "select 1; select 2", "select ?",
    "insert into people (id, name) values (1, 'Ada')", "insert into people (name) values (null)",
    "insert into people (name, age) values ('x', -1)", "select abs(-9223372036854775808)", "select * from people(1)",
    "select unknown(1)", "select sum()", "select json('{')", "select 1 / 0", "create table people (a)", "drop table t",
    "insert into people values (1)", "begin; begin", "select x'1'", "attach 'a' as b as c", "pragma nothing", "vacuum",
    "select 1 order by 2", "select likely()", "select zeroblob(-1)", "select 1 collate none", "select '\\0'", "\\0",
    "select load_extension('x')", "create table u (a unique, b references people (id))",
    "insert into u values (1, 1), (1, 2)",
):
    tried(lambda: connection.execute(statement).fetchall())
for argument in (None, 1, b"select 1", ["select 1"]):
    tried(lambda: connection.execute(argument))
    tried(lambda: connection.executescript(argument))
tried(lambda: sqlite3.connect(5))
tried(lambda: sqlite3.connect(None))
tried(lambda: connection.nothing)
for error in ("Warning", "Error", "InterfaceError", "DatabaseError", "DataError", "IntegrityError", "InternalError",
              "NotSupportedError", "OperationalError", "ProgrammingError"):
    print(getattr(sqlite3, error).__mro__, getattr(connection, error) is getattr(sqlite3, error))
""",
    "bound values": _PEOPLE
    + """
class Texted(str): pass
class Counted(int): pass
for value in (None, 0, -1, 2**63 - 1, -2**63, 1.5, -0.0, float("inf"), float("-inf"), float("nan"), 1e308, 5e-324,
              "", "x", "Žluťoučký 🐎 \\0 \\n'\\"", b"", b"\\0\\xff", bytearray(b"ab"), memoryview(b"abc"), True, False,
              Texted("t"), Counted(3), datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3, 4)):
    tried(lambda: connection.execute("select ?, typeof(?1), quote(?1)", (value,)).fetchone())
for value in (2**63, -2**63 - 1, 10**5000, [1], (1,), {}, {1}, object, 1j, "\\ud800", range(2),
              memoryview(b"abcd")[::2]):
    tried(lambda: connection.execute("select ?", (value,)).fetchone())
for parameters in ((), (1,), (1, 2, 3), [1, 2], {"a": 1, "b": 2}, {1: 1, 2: 2}, "ab", b"ab", 5, None, range(2),
                   iter("ab"), {"a", "b"}, (i for i in "ab")):
    tried(lambda: connection.execute("select ?, ?", parameters).fetchone())
""",
    "named parameters": _PEOPLE
    + """
for text, parameters in (
    ("select :a, $b, @c", {"a": 1, "b": 2, "c": 3}), ("select :a, :a", {"a": 1, "more": 2}), ("select :a", {}),
    ("select :a, :b", (1, 2)), ("select ?2, ?1", (1, 2)), ("select ?1, ?1", (1,)), ("select ?, :a", {"a": 1}),
    ("select :a", [("a", 1)]), ("select ?5", range(5)), ("select :a", {"A": 1}), ("select ?", {"a": 1}),
):
    tried(lambda: connection.execute(text, parameters).fetchone())
class Sequence:
    def __len__(self): return 2
    def __getitem__(self, index): return "item %d" % index
tried(lambda: connection.execute("select ?, ?", Sequence()).fetchone())
""",
    "many rows": _PEOPLE
    + """
def rows():
    for number in range(3):
        yield f"name {number}", number
cursor = connection.executemany("insert into people (name, age) values (?, ?)", rows())
print(cursor.rowcount, connection.total_changes, connection.in_transaction)
ages = [{"age": 1, "id": 1}, {"age": 2, "id": 2}]
print(connection.executemany("update people set age = :age where id = :id", ages).rowcount)
def broken():
    yield ("one", 1)
    raise KeyError("two")
tried(lambda: connection.executemany("insert into people (name, age) values (?, ?)", broken()))
tried(lambda: connection.executemany("select ?", [(1,)]))
tried(lambda: connection.executemany("insert into people (name) values (?)", 5))
tried(lambda: connection.executemany("insert into people (name) values (?)", [1]))
tried(lambda: connection.executemany("insert into people (name) values (?)", ["x", "yz"]))
tried(lambda: connection.executemany("insert into people (name) values (?)", []).rowcount)
print(connection.execute("select name from people").fetchall())
""",
    "fetching": _PEOPLE
    + """
connection.executemany("insert into people (name) values (?)", [(str(i),) for i in range(20)])
cursor = connection.execute("select id from people order by id")
print(cursor.fetchone(), cursor.fetchmany(), cursor.fetchmany(3), cursor.fetchmany(size=2), next(cursor))
cursor.arraysize = 4
print(cursor.fetchmany(), cursor.fetchmany(0), [row for row in cursor][:2], cursor.fetchone(), cursor.fetchall())
tried(lambda: next(cursor))
print(list(connection.execute("select id from people where id < 3")), connection.cursor().fetchone())
print(iter(cursor) is cursor, cursor.execute("select 1") is cursor)
for (number,) in connection.execute("select id from people where id < 4"):
    print(connection.execute("select name from people where id = ?", (number,)).fetchone())
cursor = connection.execute("select abs(case when id = 3 then -9223372036854775808 else id end) from people")
tried(lambda: cursor.fetchall())
""",
    "scripts": """
connection = sqlite3.connect("script.db")
connection.executescript("create table t (a); insert into t values ('; not the end'); -- a comment; \\n;;")
connection.execute("insert into t values (2)")
connection.executescript("insert into t values (3)")
print(connection.in_transaction, connection.execute("select * from t").fetchall())
failing = "insert into t values (4); insert into nothing values (5); insert into t values (6)"
tried(lambda: connection.executescript(failing))
print(connection.execute("select * from t").fetchall(), connection.total_changes)
connection.executescript("begin; insert into t values (7);")
print(connection.in_transaction)
connection.rollback()
print(connection.execute("select * from t").fetchall(), connection.execute("select 1;").fetchall())
print(sqlite3.complete_statement("select 1"), sqlite3.complete_statement("select 1;"))
""",
    "functions": """
connection = sqlite3.connect(":memory:")
connection.create_function("twice", 1, lambda value: None if value is None else value * 2)
connection.create_function("joined", -1, lambda *values: "|".join(map(repr, values)), deterministic=True)
connection.create_function("fails", 0, lambda: 1 / 0)
connection.create_function("odd", 0, lambda: object())
connection.create_function("large", 0, lambda: 2**64)
connection.create_function("inner", 0, lambda: connection.execute("select 'inner'").fetchone()[0])
print(connection.execute("select twice(1), twice('ab'), twice(1.5), twice(null), twice(x'01')").fetchone())
print(connection.execute("select joined(), joined(1, 'x', x'00', null, 2.5)").fetchone())
for statement in ("select fails()", "select twice()", "select twice(1, 2)", "select odd()", "select inner()",
                  "select large()"):
    tried(lambda: connection.execute(statement).fetchone())
connection.create_function("twice", 1, None)
tried(lambda: connection.execute("select twice(1)"))
tried(lambda: connection.create_function("f", -100, print))
class Longest:
    def __init__(self): self.found = ""
    def step(self, value, more=""): self.found = max(self.found, value + more, key=len)
    def finalize(self): return self.found
connection.create_aggregate("longest", 1, Longest)
connection.executescript("create table w (g, word); insert into w values (1, 'a'), (1, 'bcd'), (2, 'ef')")
print(connection.execute("select g, longest(word) from w group by g").fetchall())
print(connection.execute("select longest(word) from w where 0").fetchall())
class Broken:
    def step(self, value): raise KeyError(value)
    def finalize(self): return 1
connection.create_aggregate("broken", 1, Broken)
tried(lambda: connection.execute("select broken(word) from w").fetchall())
connection.create_collation("backwards", lambda a, b: (a < b) - (a > b))
print(connection.execute("select word from w order by word collate backwards").fetchall())
connection.create_collation("backwards", None)
tried(lambda: connection.execute("select word from w order by word collate backwards").fetchall())
tried(lambda: connection.create_collation("x", 5))
""",
    "dates and converters": """
connection = sqlite3.connect("dates.db", detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES)
connection.execute("create table t (d date, ts timestamp, p point, n number(10), other text)")
class Point:
    def __init__(self, x, y): self.x, self.y = x, y
    def __conform__(self, protocol):
        if protocol is sqlite3.PrepareProtocol:
            return f"{self.x};{self.y}"
    def __repr__(self): return f"Point({self.x}, {self.y})"
sqlite3.register_converter("point", lambda text: Point(*map(int, text.split(b";"))))
sqlite3.register_converter("Number", lambda text: ("number", text))
moment = datetime.datetime(2024, 5, 6, 7, 8, 9, 123000)
connection.execute("insert into t values (?, ?, ?, ?, ?)", (moment.date(), moment, Point(1, 2), 5, "x"))
connection.execute("insert into t values (null, null, null, null, null)")
connection.commit()
print(connection.execute("select * from t").fetchall())
print(connection.execute('select d as "d [timestamp]", other as "o [point]" from t where 0').description)
print(connection.execute("select ts as 'x [timestamp]', p as \\"y [point]\\" from t").fetchall())
print(sqlite3.connect("dates.db").execute("select * from t").fetchall())
connection.execute("insert into t (d) values ('no date')")
tried(lambda: connection.execute("select d from t").fetchall())
class Money:
    def __init__(self, cents): self.cents = cents
sqlite3.register_adapter(Money, lambda money: money.cents / 100)
sqlite3.register_adapter(list, repr)
print(connection.execute("select ?, ?", (Money(150), [1, 2])).fetchone())
print(sqlite3.Date(2024, 1, 2), sqlite3.Timestamp(2024, 1, 2, 3), sqlite3.Binary(b"x").tobytes())
""",
    "text factories": """
connection = sqlite3.connect(":memory:")
print(connection.text_factory)
connection.execute("create table t (a)")
connection.execute("insert into t values (cast(x'c5beff' as text)), ('ž')")
tried(lambda: connection.execute("select a from t").fetchall())
for factory in (bytes, bytearray, lambda raw: raw.decode(errors="replace"), str):
    connection.text_factory = factory
    tried(lambda: connection.execute("select a, 1, x'01', null from t where rowid = 2").fetchall())
connection.text_factory = lambda raw: raw.decode(errors="ignore")
cursor = connection.execute("select a as 'ž' from t")
print(cursor.description[0][0], cursor.fetchall())
""",
    "classes of its own": """
class Cursor(sqlite3.Cursor):
    def execute(self, sql, *arguments):
        print("executing", sql, arguments)
        return super().execute(sql, *arguments)
class Connection(sqlite3.Connection):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.mine = 1
    def cursor(self, factory=Cursor):
        return super().cursor(factory)
connection = sqlite3.connect("own.db", factory=Connection, timeout=1.0)
print(type(connection).__name__, isinstance(connection, sqlite3.Connection), connection.mine)
cursor = connection.cursor()
print(cursor.execute("select ?", (1,)).fetchall(), type(cursor).__name__, isinstance(cursor, sqlite3.Cursor))
print(connection.execute("select 2").fetchall())
class Model(sqlite3.Row): pass
connection.row_factory = Model
print(type(connection.cursor().execute("select 1 as a").fetchone()).__name__)
tried(lambda: connection.cursor(lambda connection: 5))
direct = sqlite3.Connection("own.db")
print(direct.execute("select 3").fetchone(), sqlite3.Cursor(direct).execute("select 4").fetchone())
""",
    "after closing": _PEOPLE
    + """
cursor = connection.execute("select * from people")
connection.close()
connection.close()
for act in (connection.cursor, connection.commit, connection.rollback, cursor.fetchone, cursor.fetchall, cursor.close,
            lambda: cursor.execute("select 1"), lambda: connection.execute("select 1"), lambda: next(cursor),
            lambda: connection.in_transaction, lambda: connection.total_changes, lambda: connection.isolation_level,
            lambda: connection.create_function("f", 0, print), connection.__enter__, lambda: connection.interrupt()):
    tried(act)
""",
    "two connections": _PEOPLE
    + """
other = sqlite3.connect("people.db", timeout=0.05)
print(other.execute("select count(*) from people").fetchone())
connection.execute("insert into people (name) values ('Dan')")
connection.commit()
print(other.execute("select count(*) from people").fetchone())
other.execute("delete from people where id = 1")
other.commit()
print(connection.execute("select min(id) from people").fetchone())
other.close()
print(connection.execute("select count(*) from people").fetchone())
sqlite3.connect("another.db").execute("create table only_here (a)")
tried(lambda: connection.execute("select * from only_here"))
print(sqlite3.connect(":memory:").execute("select count(*) from sqlite_master").fetchone())
tried(lambda: sqlite3.connect(":memory:").execute("select * from people"))
print(list(connection.execute("pragma foreign_keys")), connection.execute("pragma user_version = 5").fetchall())
print(sqlite3.connect("./people.db").execute("pragma user_version").fetchall())
""",
    "callbacks": _PEOPLE
    + """
seen = []
connection.set_trace_callback(seen.append)
connection.execute("select name from people where id = ?", (1,)).fetchall()
connection.execute("update people set age = 5 where id = :id", {"id": 2})
connection.rollback()
connection.set_trace_callback(None)
connection.execute("select 1")
print(seen)
def judge(action, first, second, database, trigger):
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_DELETE else sqlite3.SQLITE_OK
connection.set_authorizer(judge)
tried(lambda: connection.execute("delete from people"))
print(connection.execute("select count(*) from people").fetchone())
connection.set_authorizer(None)
print(connection.execute("delete from people").rowcount)
calls = []
long = "with recursive n(i) as (select 1 union all select i + 1 from n limit 999) select sum(i) from n"
connection.set_progress_handler(lambda: calls.append(1), 100)
connection.execute(long).fetchall()
print(len(calls) > 3)
connection.set_progress_handler(lambda: 1, 10)
tried(lambda: connection.execute(long).fetchall())
""",
    "the module": """
print(sqlite3.apilevel, sqlite3.paramstyle, sqlite3.threadsafety, sqlite3.sqlite_version, sqlite3.sqlite_version_info)
print(sqlite3.__name__, sqlite3.Row.__module__, sqlite3.Cursor.__qualname__, sqlite3.IntegrityError)
for name in ("SQLITE_OK", "SQLITE_DENY", "SQLITE_CONSTRAINT_UNIQUE", "PARSE_COLNAMES"):
    print(name, getattr(sqlite3, name))
from sqlite3 import Connection, Cursor, Error, connect, dbapi2
import sqlite3.dbapi2
print(dbapi2.connect is connect, issubclass(Error, Exception), sqlite3.dbapi2 is dbapi2)
print(sqlite3.DateFromTicks(86400), sqlite3.TimeFromTicks(3661), sqlite3.TimestampFromTicks(0))
def typed(connection: sqlite3.Connection, row: sqlite3.Row | None) -> sqlite3.Cursor: return connection.cursor()
print(type(typed(sqlite3.connect(":memory:"), None)).__name__)
""",
    "large results": """
connection = sqlite3.connect("large.db")
connection.execute("create table t (i integer, x text)")
connection.executemany("insert into t values (?, ?)", ((i, "x" * 100) for i in range(5000)))
print(connection.execute("select count(*), sum(i), sum(length(x)) from t").fetchone())
print(len(connection.execute("select * from t").fetchall()))
print(sum(1 for _ in connection.execute("select i from t where i < 1000")))
print(len(connection.execute("select zeroblob(3000000)").fetchone()[0]))
print(len(connection.execute("select ?", ("y" * 2_000_000,)).fetchone()[0]))
""",
    "a schema": """
connection = sqlite3.connect("schema.db")
connection.executescript('''
pragma foreign_keys = on;
create table a (id integer primary key autoincrement, x text unique collate nocase, y real default 1.5);
create table b (a references a (id) on delete cascade, z generated always as (a * 2));
create index i on b (a); create view v as select x, z from a join b on a.id = b.a;
create trigger t after insert on a begin insert into b (a) values (new.id); end;
create virtual table f using fts5(body);
''')
connection.execute("insert into a (x) values ('One'), ('two')")
connection.execute("insert into f values ('quick brown fox')")
print(connection.execute("select * from v").fetchall())
print(connection.execute("select body from f where f match 'brown'").fetchall())
tried(lambda: connection.execute("insert into a (x) values ('ONE')"))
tried(lambda: connection.execute("insert into b (a) values (77)"))
print(connection.execute("delete from a where id = 1").rowcount, connection.execute("select * from b").fetchall())
print(connection.execute("select type, name, sql from sqlite_master where name not glob '[fs]*'").fetchall())
print(connection.execute("select json_extract('{\\"a\\": [1, 2]}', '$.a[1]')").fetchone())
print(connection.execute("select date('2024-02-28', '+2 days'), printf('%05.2f', 3.14159)").fetchone())
print(connection.execute("select row_number() over (order by x), upper(x), substr(x, 1, 2) from a").fetchall())
""",
    "what is let go of": _PEOPLE
    + """
def uncommitted():
    connection = sqlite3.connect("people.db", timeout=0.1)
    connection.execute("delete from people")
    connection.close()
def failing():
    connection = sqlite3.connect("people.db", timeout=0.1)
    connection.execute("delete from people")
    connection.execute("select * from nothing")
uncommitted()
print(connection.execute("select count(*) from people").fetchone())
tried(failing)
print(connection.execute("select count(*) from people").fetchone())
cursor = connection.execute("select * from people")
print(cursor.fetchone())
del cursor
gc.collect()
connection.execute("drop table people")
""",
    "a dump": _PEOPLE
    + """
connection.execute("create view v as select * from people")
print(*connection.iterdump(), sep="\\n")
""",
    "a deferred constraint": """
connection = sqlite3.connect(":memory:")
connection.executescript("pragma foreign_keys = on; create table a (id integer primary key);"
                         "create table b (a references a (id) deferrable initially deferred)")
def act():
    with connection:
        connection.execute("insert into b values (5)")
tried(act)
print(connection.in_transaction, connection.execute("select * from b").fetchall())
""",
    "many cursors": """
connection = sqlite3.connect(":memory:")
for number in range(500):
    cursor = connection.cursor()
    cursor.execute("select ?", (number,))
print(cursor.fetchone())
""",
    "paths": """
import os, pathlib
tables = "select name from sqlite_master"
sqlite3.connect(pathlib.Path("path.db")).execute("create table t (a)").connection.commit()
print(sqlite3.connect("path.db").execute(tables).fetchall())
print(sqlite3.connect(os.path.abspath("path.db")).execute(tables).fetchall())
print(sqlite3.connect(b"path.db").execute(tables).fetchall())
print(sqlite3.connect("file:path.db", uri=True).execute(tables).fetchall())
print(sqlite3.connect("file:path.db?mode=rw", uri=True).execute(tables).fetchall())
reader = sqlite3.connect("file:path.db?mode=ro", uri=True)
print(reader.execute(tables).fetchall())
tried(lambda: reader.execute("insert into t values (1)"))
tried(lambda: sqlite3.connect("file:none.db?mode=ro", uri=True))
tried(lambda: sqlite3.connect("file:none.db?mode=rw", uri=True))
tried(lambda: sqlite3.connect("file:a%20b.db?mode=rwc", uri=True).execute("create table t (a)").fetchall())
print(sqlite3.connect("a b.db").execute(tables).fetchall())
print(sqlite3.connect("file::memory:", uri=True).execute("select count(*) from sqlite_master").fetchall())
print(sqlite3.connect("file:any?mode=memory", uri=True).execute("select count(*) from sqlite_master").fetchall())
print(sqlite3.connect("").execute("select count(*) from sqlite_master").fetchall())
print(sqlite3.connect(database="path.db", timeout=3, check_same_thread=False).execute(tables).fetchall())
""",
}
