"""The embedded PostgreSQL, from its first start to the worst ways of dying."""

import fcntl
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from core import cluster, embedded
from core.embedded import EmbeddedServer
from core.errors import EmbeddedServerError
from core.queries import has_newest_tables
from core.service import Service
from core.settings import load
from tests.support.postgres import new_folder
from tests.support.services import NO_FILE
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
DEADLINE = 20.0
AS_ROOT = os.geteuid() == 0
DAC_READ_SEARCH = 1 << 2  # linux/capability.h
USER = """
import sys
from pathlib import Path
from core.embedded import EmbeddedServer
from core.errors import EmbeddedServerError
server = EmbeddedServer(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    server.acquire()
    print(server.ensure_database("shared"), flush=True)
    sys.stdin.readline()
    server.release()
except EmbeddedServerError as error:
    print("refused:", error.message, flush=True)
"""


def postmaster(data_dir: Path) -> int:
    """The server's process id, by its own file."""
    return int((data_dir / "postgres/cluster/postmaster.pid").read_text(encoding="utf-8").split()[0])


def command(pid: int | str) -> list[str]:
    """A process's words: none once it is dead or a zombie. Unlike most of /proc, any user may read them."""
    with suppress(OSError):
        words = Path("/proc", str(pid), "cmdline").read_bytes().decode(errors="replace").split("\0")
        return words if words[0] else []
    return []


def servers(data_dir: Path) -> set[int]:
    """Every living program of PostgreSQL that was started for the data folder, whatever files say."""
    places = (f"{data_dir.resolve()}/", str(socket_folder(EmbeddedServer(data_dir))))
    return {
        int(process.name)
        for process in Path("/proc").glob("[0-9]*")
        if (words := command(process.name))
        and Path(words[0]).name in {"postgres", "initdb", "pg_ctl"}
        and any(place in word for place in places for word in words)
    }


def status(pid: int, name: str) -> str:
    """One line of what the kernel says about a process (proc_pid_status(5))."""
    lines = Path("/proc", str(pid), "status").read_text(encoding="utf-8").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))


def ended(pid: int) -> bool:
    """Whether a process is gone or a zombie: it listens nowhere any more."""
    try:
        return status(pid, "State").startswith("Z")
    except OSError:
        return True


def capabilities(pid: int) -> set[int]:
    """The masks of all five sets of a process."""
    return {int(status(pid, f"Cap{kind}"), 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}


def socket_folder(server: EmbeddedServer) -> Path:
    """Where the server listens, by its conninfo."""
    return Path(str(conninfo_to_dict(server.conninfo("postgres"))["host"]))


def await_end(data_dir: Path) -> None:
    """Wait until no process of a data folder's server is left."""
    until(lambda: not servers(data_dir), "the end of every process")


def answers(url: str) -> bool:
    """Whether the server takes a connection and a statement."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    """A data folder with a cluster that was stopped cleanly, to lend: cheaper than a first start."""
    with new_folder() as folder:
        with EmbeddedServer(folder):
            pass
        yield folder


@pytest.fixture
def fresh() -> Iterator[Path]:
    """An empty data folder; afterwards no process may be left in it."""
    with new_folder() as folder:
        yield folder
        try:
            await_end(folder)
        finally:
            for pid in servers(folder):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def lent(prepared: Path, data_dir: Path) -> Iterator[None]:
    """Move the prepared cluster into a data folder, and back where every process has left it."""
    (prepared / "postgres").rename(data_dir / "postgres")
    try:
        yield
    finally:
        await_end(data_dir)
        (data_dir / "postgres").rename(prepared / "postgres")


@pytest.fixture
def used(fresh: Path, prepared: Path) -> Iterator[Path]:
    """A data folder that holds a cluster; no server runs."""
    with lent(prepared, fresh):
        yield fresh


@pytest.fixture
def copied(fresh: Path, prepared: Path) -> Path:
    """The same for a test that spoils it."""
    subprocess.run(["cp", "-a", f"{prepared}/postgres", str(fresh)], check=True)
    return fresh


@contextmanager
def user(data_dir: Path, prefix: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """Another process that is about to acquire the server; killed afterwards where it still lives."""
    words = [*prefix, sys.executable, "-c", USER, str(data_dir)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def go_on(process: subprocess.Popen[str]) -> None:
    """Let the other process take its next step: acquire, then release."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def heard(process: subprocess.Popen[str]) -> str:
    """What the other process says next: its URI, or why it was refused."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_first_and_later_starts(fresh: Path) -> None:
    """A first start makes the data, a later one finds them; in between no process is left."""
    server = EmbeddedServer(fresh)
    for statement in ("CREATE TABLE kept AS SELECT 1 AS one", "SELECT one FROM kept"):
        server.acquire()
        with psycopg.connect(server.ensure_database("data")) as connection:
            connection.execute(statement)
        server.release()
        await_end(fresh)


def test_acquire_and_release_are_idempotent(used: Path) -> None:
    """However often a process acquires, it is one user, and releasing what one does not hold is nothing."""
    server = EmbeddedServer(used)
    server.release()
    server.acquire()
    server.acquire()
    server.release()
    await_end(used)
    server.release()


def test_stops_where_its_block_fails(used: Path) -> None:
    """As a context manager it is released however its block ends."""
    with pytest.raises(ZeroDivisionError), EmbeddedServer(used):
        1 / 0  # noqa: B018 - the failure is the point
    await_end(used)


def test_settings(used: Path) -> None:
    """UTC, UTF-8, the same order and letters on every machine, durable, with checksums, and no TCP."""
    expected = {
        "TimeZone": "UTC",
        "server_encoding": "UTF8",
        "listen_addresses": "",
        "fsync": "on",
        "data_checksums": "on",
        "max_connections": "100",
    }
    with EmbeddedServer(used) as server, psycopg.connect(server.conninfo("postgres")) as connection:
        found = connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [[*expected]]
        )
        assert dict(found.fetchall()) == expected
        order = connection.execute(
            "SELECT array_agg(w ORDER BY w), lower('É') FROM unnest('{b,a,Z,é}'::text[]) w"
        )
        assert order.fetchone() == (["Z", "a", "b", "é"], "é")


def is_active(connection: psycopg.Connection, backend: list[int]) -> bool:
    """Whether another connection's backend is at work on a statement."""
    query = "SELECT query LIKE '%%pg_sleep%%' AND state = 'active' FROM pg_stat_activity WHERE pid = %s"
    return connection.execute(query, backend).fetchone() == (True,)


def test_log_holds_no_data(used: Path) -> None:
    """Neither values, statements, parameters nor details of an error reach the server's log."""
    contact = "anna.smith@example.com"
    statements = (
        ("SELECT %s::text::int", psycopg.errors.InvalidTextRepresentation),
        ("INSERT INTO people SELECT %s FROM generate_series(1, 2)", psycopg.errors.UniqueViolation),
        (f"SELECT '{contact}' + %s::text", psycopg.errors.UndefinedFunction),
    )
    with EmbeddedServer(used) as server:
        with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
            connection.execute("CREATE TABLE people (email text PRIMARY KEY)")
            for statement, error in statements:
                with pytest.raises(error):
                    connection.execute(statement, [contact])
            terminated = psycopg.connect(server.conninfo("postgres"))
            terminated.pgconn.send_query(f"SELECT '{contact}', pg_sleep(60)".encode())
            backend = [terminated.info.backend_pid]
            until(lambda: is_active(connection, backend), "the statement's start")
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", backend)
            terminated.close()
        log = (used / "postgres/postgres.log").read_text(encoding="utf-8")
    assert "terminating connection" in log
    assert "ready to accept connections" in log
    assert contact not in log
    assert "people" not in log


def test_log_stays_bounded(used: Path) -> None:
    """A log that grew too long keeps its newest part, also while the server writes to it."""
    log = used / "postgres/postgres.log"
    with EmbeddedServer(used):
        with log.open("a", encoding="utf-8") as grown:
            grown.write("old line\n" * 200_000 + "newest line\n")
        with EmbeddedServer(used):
            assert log.stat().st_size < 200_000
    text = log.read_text(encoding="utf-8")
    assert "newest line" in text
    assert text.rstrip().endswith("database system is shut down")


def test_last_of_two_processes_stops_it(used: Path) -> None:
    """Processes share one server; it outlives the first that leaves and stops with the last."""
    with user(used) as first, user(used) as second:
        go_on(first)
        url = heard(first)
        go_on(second)
        assert heard(second) == url
        running = postmaster(used)
        go_on(first)
        assert first.wait(DEADLINE) == 0
        assert postmaster(used) == running
        assert answers(url)
        go_on(second)
        assert second.wait(DEADLINE) == 0
    await_end(used)


def test_two_processes_start_at_once(fresh: Path) -> None:
    """Two first users at the same instant get one server, and one database of the same name."""
    with user(fresh) as first, user(fresh) as second:
        go_on(first)
        go_on(second)
        url = heard(first)
        assert heard(second) == url
        assert answers(url)
        assert {path.name for path in (fresh / "postgres").iterdir() if path.is_dir()} == {
            "cluster",
            "socket",
        }
        for process in (first, second):
            go_on(process)
            assert process.wait(DEADLINE) == 0
    await_end(fresh)


def test_takes_up_what_a_killed_user_left(used: Path) -> None:
    """A server left by a killed process is taken as it is, and the next clean release stops it."""
    with user(used) as killed:
        go_on(killed)
        url = heard(killed)
        running = postmaster(used)
        killed.kill()
        killed.wait(DEADLINE)
    with EmbeddedServer(used):
        assert postmaster(used) == running
        assert answers(url)
    await_end(used)


def test_restarts_a_killed_server(used: Path) -> None:
    """After its postmaster was killed it starts again, also while a backend still computes for it."""
    with EmbeddedServer(used) as server, psycopg.connect(server.conninfo("postgres")) as busy:
        busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 4000000)")
        killed = postmaster(used)
        os.kill(killed, signal.SIGKILL)
        until(lambda: ended(killed), "the server's end")
        assert command(busy.info.backend_pid), "no backend outlived it: the statement is too short"
        with EmbeddedServer(used):
            assert postmaster(used) != killed
            assert answers(server.conninfo("postgres"))
        busy.close()


def test_keeps_up_a_server_that_dies_under_its_user(used: Path) -> None:
    """A long-lived user starts a killed server again, and leaves one that lives as it is."""
    with EmbeddedServer(used) as server:
        killed = postmaster(used)
        server.keep_up()
        assert postmaster(used) == killed
        os.kill(killed, signal.SIGKILL)
        until(lambda: ended(killed), "the server's end")
        server.keep_up()
        assert answers(server.conninfo("postgres"))
    server.keep_up()
    assert not servers(used)


def test_a_service_keeps_its_server_up(used: Path) -> None:
    """Its rounds begin with that, so that what they ask is answered."""
    with Service(load({"DATA_DIR": str(used)}, NO_FILE)) as service:
        service.prepare()
        killed = postmaster(used)
        os.kill(killed, signal.SIGKILL)
        until(lambda: ended(killed), "the server's end")
        service.look_after()
        assert service.ask(has_newest_tables)


def test_a_service_that_cannot_begin_leaves_no_server(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has started until then goes down with it."""

    def refuse(_: EmbeddedServer, name: str) -> str:
        raise EmbeddedServerError(f"There is no {name}.")

    monkeypatch.setattr(EmbeddedServer, "ensure_database", refuse)
    with pytest.raises(EmbeddedServerError), Service(load({"DATA_DIR": str(used)}, NO_FILE)):
        pass
    assert not servers(used)


@pytest.mark.parametrize("kind", ["another process", "a zombie", "nobody", "no number"])
def test_stale_lock_files(used: Path, kind: str) -> None:
    """A dead server's lock files stop nothing, whoever has its process id now."""
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        pids = {"another process": os.getpid(), "a zombie": child.pid, "nobody": 2**22 + 1, "no number": "x"}
        cluster, port = used / "postgres/cluster", 5432
        lines = f"{pids[kind]}\n{cluster}\n1\n{port}\n{used}/postgres/socket\n\n 1 1\n"
        (cluster / "postmaster.pid").write_text(f"{lines}ready   \n", encoding="utf-8")
        (used / "postgres/socket/.s.PGSQL.5432.lock").write_text(lines, encoding="utf-8")
        with EmbeddedServer(used) as server:
            assert answers(server.conninfo("postgres"))


def test_interrupted_first_start(fresh: Path) -> None:
    """Data whose making was killed half-way never count: they are made anew, nothing of them stays."""
    root = fresh / "postgres"
    with user(fresh) as killed:
        go_on(killed)
        until(lambda: any(root.glob("initdb-*/base")), "the making of data")
        killed.kill()
    assert not (root / "cluster").exists()

    def swept() -> bool:
        with EmbeddedServer(fresh) as server:
            assert answers(server.conninfo("postgres"))
        return not list(root.glob("initdb-*"))

    # An initdb that outlives its program goes on writing for a moment; then the next start removes it.
    until(swept, "the end of what a killed start has left")


@pytest.mark.parametrize("name", ["long" * 24, "a,b", 'a"b', "a b $HOME %41 ünï '"])
def test_any_path(fresh: Path, prepared: Path, name: str) -> None:
    """The data folder's path may be long and hold what a shell, libpq or the server give a meaning."""
    data_dir = fresh / name
    data_dir.mkdir()
    with lent(prepared, data_dir):
        with EmbeddedServer(data_dir) as server:
            folder = socket_folder(server)
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert folder.is_relative_to(data_dir) == (" " in name)
            assert answers(server.conninfo("postgres"))
        assert folder.exists() == (" " in name)


@pytest.mark.parametrize("owned_by_another", [False, *([True] if AS_ROOT else [])])
def test_refuses_a_socket_folder_of_somebody_else(fresh: Path, owned_by_another: bool) -> None:
    """Under the temporary folder, where others may write, neither a link nor another's folder is used."""
    server = EmbeddedServer(fresh / ("long" * 24))
    folder = socket_folder(server)
    try:
        if owned_by_another:
            folder.mkdir()
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        else:
            folder.symlink_to(fresh)
        with pytest.raises(EmbeddedServerError, match=str(folder)):
            server.acquire()
    finally:
        folder.rmdir() if owned_by_another else folder.unlink()


def break_version(root: Path) -> None:
    """As another major version of PostgreSQL left it."""
    (root / "cluster/PG_VERSION").write_text("12\n", encoding="ascii")


def break_marker(root: Path) -> None:
    """Without the file that says whose data they are."""
    (root / "cluster/PG_VERSION").unlink()


def break_control(root: Path) -> None:
    """Without the file that a cluster cannot be without."""
    (root / "cluster/global/pg_control").unlink()


def break_configuration(root: Path) -> None:
    """With a setting that does not exist."""
    (root / "cluster/postgresql.conf").write_text("no_such_setting = 1\n", encoding="ascii")


def break_cluster(root: Path) -> None:
    """With a file in the place of the data."""
    (root / "cluster").rename(root / "elsewhere")
    (root / "cluster").write_bytes(b"")


def break_root(root: Path) -> None:
    """With a file in the place of the whole folder."""
    root.rename(root.with_name("elsewhere"))
    root.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (break_version, r"PostgreSQL 18 \(found: 12\)"),
        (break_marker, r"PostgreSQL 18 \(found: none\)"),
        (break_control, "did not start.*postgres.log"),
        (break_configuration, "did not start.*postgres.log"),
        (break_cluster, "postgres/cluster"),
        (break_root, "postgres"),
    ],
)
def test_broken_data_folder(copied: Path, damage: Callable[[Path], None], names: str) -> None:
    """What cannot be copied is told in one clear line that names the place, and nothing is left held."""
    damage(copied / "postgres")
    server = EmbeddedServer(copied)
    with pytest.raises(EmbeddedServerError, match=names) as caught:
        server.acquire()
    assert "\n" not in caught.value.message
    server.release()


def test_data_that_cannot_be_made_are_told(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line that names the log; the next start begins anew."""
    with monkeypatch.context() as patched:
        patched.setattr(cluster, "INITDB_OPTIONS", ("--no-such-option",))
        with pytest.raises(EmbeddedServerError, match=r"could not be initialised.*postgres\.log"):
            EmbeddedServer(fresh).acquire()
    with EmbeddedServer(fresh) as server:
        assert answers(server.conninfo("postgres"))


def test_a_gate_that_stays_closed_is_told(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever for another process to start or stop the server."""
    gate = os.open(used / "postgres/gate.lock", os.O_RDWR)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        with monkeypatch.context() as patched:
            patched.setattr(embedded, "TRIES", 1)
            with pytest.raises(EmbeddedServerError, match="by another process, for too long"):
                EmbeddedServer(used).acquire()
    finally:
        os.close(gate)
    with EmbeddedServer(used) as server:
        assert answers(server.conninfo("postgres"))


def test_a_server_that_never_is_ready_is_told(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever for one that recovers, and who gives up is no user of it."""
    server = EmbeddedServer(used)
    with monkeypatch.context() as patched:
        patched.setattr(embedded, "TRIES", 2)
        patched.setattr(cluster.Cluster, "state", lambda _: cluster.State.BUSY)
        with pytest.raises(EmbeddedServerError, match="was not ready in time"):
            server.acquire()
    with server:
        assert answers(server.conninfo("postgres"))


@pytest.mark.parametrize(
    ("fault", "works"), [(PermissionError, True), (ProcessLookupError, False), (None, False)]
)
def test_whom_a_lock_file_names(
    used: Path, monkeypatch: pytest.MonkeyPatch, fault: type[OSError] | None, works: bool
) -> None:
    """A process that may not be looked at counts as the server; one that died just now does not."""

    def kill(_: int, __: int) -> None:
        if fault is not None:
            raise fault

    monkeypatch.setattr(os, "kill", kill)
    assert cluster._works_in(2**22 + 1, used) is works  # noqa: SLF001 (no other user's process is at hand)


def test_refused_database(used: Path) -> None:
    """A database that PostgreSQL refuses, or a server that is down, is one clear line too."""
    server = EmbeddedServer(used)
    with pytest.raises(EmbeddedServerError, match="no connection"):
        server.ensure_database("data")
    with server, pytest.raises(EmbeddedServerError, match="SQLSTATE 42601"):
        server.ensure_database("")


if AS_ROOT:
    NOBODY = pwd.getpwnam("nobody")
    # The interpreter itself may lie where only root may enter.
    AS_NOBODY = (
        "setpriv",
        f"--reuid={NOBODY.pw_uid}",
        f"--regid={NOBODY.pw_gid}",
        "--clear-groups",
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
        "--securebits=+no_setuid_fixup",
    )

    def test_under_root_only_the_data_change_hands(used: Path) -> None:
        """Under root the server is a system user's, without any right of root but to pass closed folders."""
        with EmbeddedServer(used):
            pid = postmaster(used)
            assert status(pid, "Uid").split()[0] == str(pwd.getpwnam("jointchiro-postgres").pw_uid)
            assert capabilities(pid) in ({0}, {DAC_READ_SEARCH})
        assert (used.stat().st_uid, (used / "postgres").stat().st_uid) == (0, 0)

    def test_root_leaves_an_ordinary_user_its_data(copied: Path) -> None:
        """Root on an ordinary user's data runs the server as that user, who can go on afterwards."""
        subprocess.run(["chown", "-R", f"{NOBODY.pw_uid}:{NOBODY.pw_gid}", str(copied)], check=True)
        with EmbeddedServer(copied):
            assert status(postmaster(copied), "Uid").split()[0] == str(NOBODY.pw_uid)
        owners = {path.stat().st_uid for path in (copied / "postgres").rglob("*")}
        assert owners == {NOBODY.pw_uid}

    def test_closed_parent_without_the_capability(fresh: Path) -> None:
        """Where root itself may not hand that right on, the error says what to do."""
        fresh.chmod(0o700)
        with user(fresh, ("setpriv", "--bounding-set=-dac_read_search")) as refused:
            go_on(refused)
            answer = heard(refused)
        assert answer.startswith("refused: ")
        assert "Set DATA_DIR" in answer

    if int(status(os.getpid(), "CapBnd"), 16) & DAC_READ_SEARCH:

        def test_closed_parent(fresh: Path) -> None:
            """A parent folder closed to everybody but root neither stops the server nor is it opened."""
            fresh.chmod(0o700)
            with EmbeddedServer(fresh / "data") as server:
                assert answers(server.ensure_database("data"))
                assert capabilities(postmaster(fresh / "data")) == {DAC_READ_SEARCH}
            assert stat.S_IMODE(fresh.stat().st_mode) == 0o700
            assert (fresh.stat().st_uid, fresh.stat().st_gid) == (0, os.getegid())

        def test_ordinary_user(fresh: Path) -> None:
            """An ordinary user's server is its own, and so is every file of it."""
            data_dir = fresh / "data"
            data_dir.mkdir(mode=0o700)
            os.chown(data_dir, NOBODY.pw_uid, NOBODY.pw_gid)
            with user(data_dir, AS_NOBODY) as process:
                go_on(process)
                assert heard(process).startswith("postgresql://")
                assert status(postmaster(data_dir), "Uid").split()[0] == str(NOBODY.pw_uid)
                go_on(process)
                assert process.wait(DEADLINE) == 0
            assert {path.stat().st_uid for path in data_dir.rglob("*")} == {NOBODY.pw_uid}
