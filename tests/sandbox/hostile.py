"""Programs that try to get out. Each says "escaped" if it does."""

START = """
import ctypes, gc, json, os, signal, socket, sys, time
from contextlib import suppress
libc = ctypes.CDLL(None, use_errno=True)

def call(name, number, *arguments):
    if libc.syscall(number, *arguments) >= 0:
        print("escaped:", name)
"""

PROGRAMS = {
    "reads a file outside": """
with suppress(OSError):
    print("escaped", open(SECRET).read())
""",
    "reads the system's files": """
for path in ("/etc/passwd", "/etc/shadow", "/root/.bashrc", "/home", "/var/log", "/sys", "/proc", "/run", "/boot"):
    with suppress(OSError):
        print("escaped", os.listdir(path) if os.path.isdir(path) else open(path).read())
""",
    "climbs out by relative paths": """
for depth in range(1, 9):
    with suppress(OSError):
        print("escaped", open("../" * depth + SECRET.lstrip("/")).read())
""",
    "walks all it can see": """
for folder, _, files in os.walk("/"):
    for name in files:
        path = os.path.join(folder, name)
        with suppress(OSError):
            if "python" not in path and "paretune-sandbox" not in path and not path.startswith("/dev/"):
                print("escaped", path, open(path, "rb").read(20))
""",
    "reads the environment": """
if any("SECRET" in name or "PATH" == name or "USER" == name for name in os.environ):
    print("escaped", dict(os.environ))
""",
    "reads the memory and environment of others": """
for pid in (1, os.getppid(), TRAINER, *range(2, 60)):
    for name in ("environ", "mem", "maps", "cmdline", "fd", "root", "cwd/.."):
        with suppress(OSError):
            os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
            print("escaped", pid, name)
""",
    "opens sockets": """
for family in range(46):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        with suppress(OSError):
            socket.socket(family, kind)
            print("escaped", family, kind)
""",
    "connects to the network": """
for address in (("127.0.0.1", 22), ("1.1.1.1", 53), ("169.254.169.254", 80)):
    with suppress(OSError):
        socket.create_connection(address, timeout=1)
        print("escaped", address)
""",
    "writes outside": """
for folder in (os.path.dirname(SECRET), "/", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/run", "/etc", sys.prefix):
    with suppress(OSError):
        open(os.path.join(folder, "paretune-escaped"), "w")
        print("escaped", folder)
with suppress(OSError):
    open(SECRET, "a").write("escaped")
    print("escaped")
""",
    "removes and renames outside": """
for act in (lambda: os.unlink(SECRET), lambda: os.rename(SECRET, SECRET + "2"), lambda: os.chmod(SECRET, 0o777),
            lambda: os.truncate(SECRET, 0), lambda: os.utime(SECRET), lambda: os.rename(sys.prefix, "/x")):
    with suppress(OSError):
        act()
        print("escaped")
""",
    "mounts": """
if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0 or libc.umount2(b"/", 2) == 0:
    print("escaped")
call("pivot_root", 155, b"/", b"/")
call("open_tree", 428, -100, b"/", 1)
call("fsopen", 430, b"tmpfs", 0)
""",
    "makes namespaces": """
for kind in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    call(f"unshare {kind:x}", 272, kind)
    call(f"clone {kind:x}", 56, kind | 17, 0, 0, 0, 0)
call("clone3", 435, bytes(88), 88)
call("setns", 308, 0, 0)
""",
    "a fork bomb": """
with suppress(OSError):
    while True:
        os.fork()
        print("escaped")
""",
    "starts programs": """
import multiprocessing, subprocess
for start in (lambda: subprocess.run([sys.executable, "-c", "print('escaped')"]), lambda: os.system("echo escaped"),
              lambda: os.popen("echo escaped").read(), lambda: multiprocessing.Process(target=print).start(),
              lambda: os.posix_spawn("/bin/sh", ["sh"], {}), lambda: os.execv("/bin/sh", ["sh", "-c", "echo escaped"])):
    with suppress(OSError, RuntimeError):
        start()
""",
    "many threads": """
import threading
with suppress(RuntimeError):
    threading.Thread(target=time.sleep, args=(9,)).start()
    print("escaped")
""",
    "a memory bomb": """
held = []
with suppress(MemoryError):
    while True:
        held.append(bytearray(2**20))
        if len(held) > 300:
            print("escaped")
            break
""",
    "a memory bomb in many processes": """
for _ in range(100):
    with suppress(OSError):
        if os.fork() == 0:
            held = bytearray(100 * 2**20)
            time.sleep(60)
        print("escaped")
""",
    "a memory bomb in the database": """
import sqlite3
connection = sqlite3.connect("x.db")
large = "select group_concat(hex(zeroblob(100000000))) from (select 1 union select 2)"
for statement in ("select randomblob(900000000)", large):
    with suppress(sqlite3.Error, MemoryError):
        if len(connection.execute(statement).fetchone()[0]) > 3 * 10**8:
            print("escaped")
""",
    "fills shared memory": """
for path in ("/dev/shm/x", "/run/shm/x", "/dev/mqueue/x"):
    with suppress(OSError):
        open(path, "wb").write(bytes(2**24))
        print("escaped", path)
call("memfd_create", 319, b"x", 0)
call("shmget", 29, 0, 2**24, 0o1777)
""",
    "fills the disk": """
total = 0
with suppress(OSError):
    for number in range(200):
        with open(f"file-{number}", "wb", 0) as file:
            total += file.write(bytes(2**20))
if total > 17 * 2**20:
    print("escaped", total)
""",
    "an endless loop": "while True: pass",
    "waits for ever": "time.sleep(10**6)",
    "stops itself": "os.kill(os.getpid(), signal.SIGSTOP)",
    "catches every signal and goes on": """
for number in range(1, 65):
    with suppress(OSError, ValueError):
        signal.signal(number, lambda *_: None)
while True:
    pass
""",
    "endless output": """
while True:
    with suppress(OSError):
        os.write(1, b"x" * 65536)
""",
    "endless statements": """
import sqlite3
connection = sqlite3.connect("x.db")
while True:
    with suppress(sqlite3.Error):
        connection.execute("select '" + "x" * 10000 + "'")
""",
    "an endless statement": """
import sqlite3
connection = sqlite3.connect("x.db")
connection.execute("with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n").fetchall()
print("escaped")
""",
    "kills its parent": "os.kill(os.getppid(), signal.SIGKILL)",
    "kills everybody": """
for target in (-1, 0, 1, TRAINER, LAUNCHER):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        with suppress(OSError):
            os.kill(target, number)
""",
    "stops its parent": "os.kill(os.getppid(), signal.SIGSTOP)",
    "traces": """
for pid in (1, os.getppid(), TRAINER):
    if libc.ptrace(16, pid, 0, 0) == 0 or libc.ptrace(0x4206, pid, 0, 0) == 0:
        print("escaped")
    call("process_vm_readv", 310, pid, bytes(16), 1, bytes(16), 1, 0)
    call("pidfd_open", 434, pid, 0)
    call("kcmp", 312, pid, os.getpid(), 0, 0, 0)
""",
    "links out": """
for make in (os.symlink, os.link):
    for target in (SECRET, "/etc/passwd", sys.prefix + "/python"):
        with suppress(OSError):
            make(target, "link")
            print("escaped", open("link", "rb").read(10))
            os.unlink("link")
""",
    "overwrites the harness": """
import sqlite3
for module in (sqlite3, os, json, sys.modules.get("encodings")):
    with suppress(OSError, TypeError):
        open(module.__file__, "w").write("print('escaped')")
        print("escaped", module)
    with suppress(OSError, TypeError):
        os.unlink(module.__file__)
        print("escaped", module)
""",
    "looks for other inputs in memory and frames": """
found = []
frame = sys._getframe()
while frame:
    found.append(repr(frame.f_locals) + repr(frame.f_globals)[:100000])
    frame = frame.f_back
for thing in gc.get_objects():
    with suppress(Exception):
        found.append(repr(thing)[:1000])
wanted = "".join(map(chr, (79, 84, 72, 69, 82, 45, 73, 78, 80, 85, 84)))
if any(wanted in text for text in found):
    print("escaped")
""",
    "forges its outcome on every descriptor": """
forged = [{"exit": 0, "timeout": False, "clean": True}, {"method": "execute", "statement": "select 'forged'"}]
for descriptor in range(3, 64):
    for value in forged:
        with suppress(OSError):
            os.write(descriptor, json.dumps(value).encode() + b"\\n")
    with suppress(OSError):
        socket.send_fds(socket.socket(fileno=descriptor), [b"ready"], [0, 1, 2])
os._exit(7)
""",
    "switches the recorder off": """
import sqlite3
class Silent(sqlite3.Cursor):
    def execute(self, *arguments): return self
for name in list(sys.modules):
    if "sqlite" in name or "record" in name or "inside" in name:
        module = sys.modules.pop(name)
sqlite3.Cursor._run = lambda *arguments: None
sqlite3.Cursor.execute = lambda *arguments: None
connection = sqlite3.connect("x.db")
connection.execute("select 'not run'")
cursor = connection.cursor()
sqlite3._ask("execute", "execute", cursor._key, "select 'noted'")
for request in (("execute", "backup", cursor._key, "select 1"), ("execute", ["execute"], cursor._key, "select 1"),
                ("method", connection._key, "executescript", "select 1"), ("attribute", connection._key, "execute"),
                ("create", connection._key, "execute", ["select 1"], {}, None), ("execute", "execute", 99, "select 1"),
                ("__setattr__", "record", None)):
    with suppress(Exception):
        sqlite3._ask(*request)
with suppress(Exception):
    sqlite3._ask("execute", "execute", cursor._key, "select 'after that nothing is run'")
    print("escaped")
""",
    "sends what makes no sense to its database": """
import sqlite3
sqlite3.connect("x.db").execute("select 1")
deep = b"[" * 5000 + b"]" * 5000
in_method = b"[[], \"execute\", " + b"[" * 900 + b"]" * 900 + b", 1, \"select 1\"]"
for line in (in_method, deep, b"[[], " + deep + b"]", b"1" * 9999, b"{}", b"[]", b"[5]", b"[[], 5]",
             b"[[[]], \"cursor\", 0]", b"\xff", b"[NaN]", b'{"!": "bytes", "of": 5}'):
    with suppress(Exception):
        sqlite3._stream.write(line + b"\n")
        sqlite3._stream.flush()
        sqlite3._stream.readline()
with suppress(Exception):
    while True:
        sqlite3._stream.write(b"x" * 2**20)
""",
    "answers its database's calls with nonsense": """
import sqlite3
connection = sqlite3.connect("x.db")
for answer in (b"[]", b"5", b"{}", b'{"value": {"!": "foreign", "of": "x"}}', b"[" * 5000, b'{"raised": [[1]]}'):
    with suppress(Exception):
        def call():
            sqlite3._stream.write(answer + b"\n")
            sqlite3._stream.flush()
        connection.create_function("f", 0, call)
        connection.execute("select f()").fetchall()
""",
    "has the kernel send signals": """
import fcntl
for pid in (os.getppid(), *range(1, 50), os.getpid() - 1, TRAINER, LAUNCHER):
    near, far = os.pipe()
    with suppress(OSError):
        fcntl.fcntl(near, fcntl.F_SETOWN, pid)
        fcntl.fcntl(near, 10, signal.SIGKILL)  # F_SETSIG
        fcntl.fcntl(near, fcntl.F_SETFL, os.O_ASYNC)
        os.write(far, b"x")
        print("escaped:", pid)
    os.close(near)
    os.close(far)
""",
    "sends to whom it is not connected": """
for family, kind in ((socket.AF_UNIX, socket.SOCK_DGRAM), (socket.AF_UNIX, socket.SOCK_STREAM)):
    near, far = socket.socketpair(family, kind)
    for address in ("/dev/null", "/dev/log", "/run/systemd/journal/socket", "\0abstract"):
        for send in (lambda: near.sendto(b"x", address), lambda: near.sendmsg([b"x"], [], 0, address)):
            try:
                send()
                print("escaped:", address)
            except PermissionError:
                pass
            except OSError as error:
                print("escaped:", address, error)
""",
    "becomes a fresh interpreter": """
folder = sys.prefix
(loader,) = [name for name in os.listdir(folder + "/libraries") if name.startswith("ld-")] or [""]
text = f"try: print('escaped', open({SECRET!r}).read())\\nexcept OSError: print('not even so')"
command = [folder + "/libraries/" + loader, "--library-path", folder + "/libraries"] if loader else []
command += [folder + "/python", "-S", "-c", text]
os.execve(command[0], command, os.environ)
""",
    "lives on when its parent is gone": """
libc.prctl(1, 0)
if libc.prctl(1, 0) == 0 or libc.prctl(4, 0) == 0 or libc.prctl(22, 1) == 0 or libc.prctl(1, 15) == 0:
    print("escaped")
""",
    "takes the engine itself": """
for name in ("_sqlite3", "inside.database"):
    with suppress(ImportError):
        module = __import__(name)
        engine = getattr(module, "Connection", None) or module.database.sqlite3.Connection
        tables = engine("x.db").execute("select * from sqlite_master").fetchall()
        if tables:
            print("escaped", tables)
""",
    "calls what is not allowed": """
for name, number in {"bpf": 321, "keyctl": 250, "add_key": 248, "perf_event_open": 298, "userfaultfd": 323,
                     "io_uring_setup": 425, "open_by_handle_at": 304, "init_module": 175, "kexec_load": 246,
                     "reboot": 169, "swapon": 167, "acct": 163, "syslog": 103, "personality": 135, "prctl": 157,
                     "setsid": 112, "setpgid": 109, "setuid": 105, "setgid": 106, "setgroups": 116, "capset": 126,
                     "chroot": 161, "mknod": 133, "chown": 92, "quotactl": 179, "settimeofday": 164}.items():
    call(name, number, 0, 0, 0, 0, 0)
call("prlimit of another", 302, TRAINER, 7, 0, bytes(16))
call("ioctl TIOCSTI", 16, 0, 0x5412, b"x")
""",
    "raises its limits": """
import resource
for what in (resource.RLIMIT_NPROC, resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE):
    with suppress(ValueError, OSError):
        resource.setrlimit(what, (2**40, 2**40))
        print("escaped", what)
""",
    "leaves a daemon behind": """
for _ in range(2):
    with suppress(OSError):
        if os.fork() == 0:
            print("escaped")
            time.sleep(600)
with suppress(OSError):
    os.setsid()
    print("escaped")
""",
    "leaves without a word": "os._exit(0)",
    "crashes": "ctypes.string_at(0)",
    "nests too deep": "exec('(' * 100000 + ')' * 100000)",
    "recurses": "f = lambda: f()\nf()",
    "is no Python": "this is no Python \0",
    "leaves a folder that cannot be emptied": """
with suppress(OSError):
    os.makedirs("a/b/c")
    open("a/b/c/file", "w").close()
    os.chmod("a/b/c", 0)
    os.chmod("a", 0)
""",
    "a maze of folders": """
with suppress(OSError):
    for _ in range(3000):
        os.mkdir("d")
        os.chdir("d")
""",
    "many files": """
with suppress(OSError):
    for number in range(10**6):
        open(f"file-{number}", "w").close()
""",
    "keeps descriptors": """
kept = []
with suppress(OSError):
    while True:
        kept.append(os.pipe())
        if len(kept) > 64:
            print("escaped")
            break
""",
}
