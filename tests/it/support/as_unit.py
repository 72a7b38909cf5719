"""Runs a command under the restrictions of a systemd unit, without systemd as process 1.

    as_unit.py UNIT --user NAME --directory DIR -- COMMAND…

Every restriction is read from the unit, so that the two cannot drift apart; a key that is not
known here is an error. DIR stands for the places that belong to the service: DIR/state and
DIR/run are writable, DIR/credentials holds its credentials, the rest of DIR is read-only.
Needs root. What cannot be imposed without a cgroup of systemd's is listed in NOT_IMPOSED.
"""

import argparse, ctypes, os, pwd, re, resource, struct, subprocess, sys

NOT_IMPOSED = {
    "MemoryHigh", "MemoryMax", "MemorySwapMax", "TasksMax", "OOMPolicy", "IPAddressDeny",  # cgroups
    "PrivateUsers", "RemoveIPC",  # a user namespace of its own; System V IPC removed at the end
}
# What to run and when: the test plays systemd's part in it.
NOT_RESTRICTIONS = {
    "Type", "ExecStart", "ExecReload", "User", "Group", "Restart", "RestartSec", "RestartPreventExitStatus",
    "TimeoutStopSec", "KillMode", "WatchdogSec", "StateDirectory", "StateDirectoryMode", "RuntimeDirectory",
    "RuntimeDirectoryMode", "LoadCredentialEncrypted",
}
# Follow from the empty capability set, the system call filter and the read-only mounts.
IMPLIED = {
    "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectClock",
    "ProtectHostname", "RestrictRealtime", "SystemCallErrorNumber",
}

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
CLONE_NEWNS, CLONE_NEW_ANY = 0x00020000, 0x7E020080
PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 22, 24, 38
EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}{arguments}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind=None, flags=0, data=None):
    text = [None if part is None else part.encode() for part in (source, target, kind)]
    call("mount", *text, ctypes.c_ulong(flags), None if data is None else data.encode())


def read_unit(path):
    """The keys of [Service], each with its values in order."""
    keys, section = {}, None
    for line in open(path):
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            key, value = line.split("=", 1)
            keys.setdefault(key, []).append(value)
    return keys


class Mounts:
    """Builds the file system that the service sees."""

    def __init__(self, directory):
        self.directory = directory
        self.own = [f"{directory}/state", f"{directory}/run"]
        self.writable = list(self.own)
        call("unshare", CLONE_NEWNS)
        mount("none", "/", flags=MS_REC | MS_PRIVATE)
        self.held = os.open(directory, os.O_PATH)
        self.devices = {name: os.open(f"/dev/{name}", os.O_PATH) for name in ("null", "zero", "random", "urandom")}

    def private_tmp(self):
        for place in ("/tmp", "/var/tmp"):
            mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
            self.writable.append(place)
        os.makedirs(self.directory, exist_ok=True)
        mount(f"/proc/self/fd/{self.held}", self.directory, flags=MS_BIND | MS_REC)

    def private_devices(self):
        mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755")
        for name, held in self.devices.items():
            open(f"/dev/{name}", "w").close()
            mount(f"/proc/self/fd/{held}", f"/dev/{name}", flags=MS_BIND)

    def no_home(self):
        for place in ("/home", "/root", "/run/user"):
            if os.path.isdir(place):
                mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, "mode=000")

    def read_only(self):
        for place in self.own:
            mount(place, place, flags=MS_BIND)
        for line in open("/proc/self/mountinfo").readlines():
            target = line.split(" ")[4].encode().decode("unicode_escape")
            if target in self.writable or target.startswith(("/proc", "/dev/")):
                continue
            options = line.split(" ")[5].split(",")
            kept = MS_NOSUID * ("nosuid" in options) | MS_NODEV * ("nodev" in options) | 8 * ("noexec" in options)
            try:
                mount(None, target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | kept)
            except OSError:
                # A mount that another one covers cannot be reached, by the service neither.
                if not is_covered(target):
                    raise

    @staticmethod
    def own_processes(subset):
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | 8, "hidepid=invisible" + (",subset=pid" * subset))


def is_covered(target):
    return not os.path.ismount(target)


class Filter:
    """A seccomp program: single refusals first, then the list of what is allowed."""

    def __init__(self):
        defines = subprocess.run(["gcc", "-E", "-dM", "-include", "sys/syscall.h", "-"], input="", check=True,
                                 capture_output=True, text=True).stdout
        self.numbers = {name: int(value) for name, value in re.findall(r"#define __NR_(\w+) (\d+)", defines)}
        # Load the architecture; anything but ours is killed.
        self.code = [(0x20, 0, 0, 4), (0x15, 1, 0, ARCHITECTURES[os.uname().machine]), (0x06, 0, 0, 0x80000000)]

    def refuse(self, name, error, *tests):
        """Refuses `name` if all tests hold: (argument, mask) has a bit of the mask, (argument, mask, value) equals."""
        checks = []
        for argument, mask, *value in tests:
            checks.append((0x20, 0, 0, 16 + 8 * argument))
            if value:
                checks += [(0x54, 0, 0, mask), (0x15, 0, None, value[0])]
            else:
                checks.append((0x45, 0, None, mask))
        checks.append((0x06, 0, 0, 0x00050000 | error))
        # A test that does not hold jumps behind the refusal.
        checks = [(code, yes, len(checks) - at - 1 if no is None else no, value)
                  for at, (code, yes, no, value) in enumerate(checks)]
        self.code += [(0x20, 0, 0, 0), (0x15, 0, len(checks), self.numbers[name]), *checks]

    def allow_only(self, names):
        self.code.append((0x20, 0, 0, 0))
        for name in sorted(names & self.numbers.keys()):
            self.code += [(0x15, 0, 1, self.numbers[name]), (0x06, 0, 0, 0x7FFF0000)]
        self.code.append((0x06, 0, 0, 0x00050000 | EPERM))

    def install(self):
        program = b"".join(struct.pack("HBBI", *instruction) for instruction in self.code)
        buffer = ctypes.create_string_buffer(program)
        header = struct.pack("HxxxxxxQ", len(self.code), ctypes.addressof(buffer))
        call("prctl", PR_SET_SECCOMP, 2, header, 0, 0)


def system_calls(values):
    """What a list of SystemCallFilter= values leaves allowed."""
    sets, name = {}, None
    for line in subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], check=True, capture_output=True,
                               text=True).stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = []
        elif line.startswith("    ") and not line.strip().startswith("#"):
            sets[name].append(line.strip())

    def expand(word):
        return set().union(*map(expand, sets[word])) if word.startswith("@") else {word}

    allowed = expand("@default") | {"execve"}
    for value in values:
        words = set().union(*(expand(word) for word in value.lstrip("~").split()))
        allowed = allowed - words if value.startswith("~") else allowed | words
    return allowed | {"execve"}


def build_filter(unit):
    program = Filter()
    if "RestrictAddressFamilies" in unit:
        families = [FAMILIES[name] for name in unit["RestrictAddressFamilies"][0].split()]
        for family in set(range(64)) - set(families):
            program.refuse("socket", EAFNOSUPPORT, (0, 0xFFFFFFFF, family))
    if unit.get("RestrictNamespaces") == ["yes"]:
        program.refuse("clone", EPERM, (0, CLONE_NEW_ANY))
        program.refuse("unshare", EPERM, (0, CLONE_NEW_ANY))
        program.refuse("setns", EPERM)
        program.refuse("clone3", ENOSYS)
    if unit.get("RestrictSUIDSGID") == ["yes"]:
        for name, argument in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1), ("mkdirat", 2)):
            if name in program.numbers:
                program.refuse(name, EPERM, (argument, 0o6000))
    if unit.get("LockPersonality") == ["yes"]:
        program.refuse("personality", EPERM, (0, 0x00FFFFFF))
    if unit.get("MemoryDenyWriteExecute") == ["yes"]:
        program.refuse("mmap", EPERM, (2, 6, 6))
        program.refuse("mprotect", EPERM, (2, 4))
        program.refuse("pkey_mprotect", EPERM, (2, 4))
        program.refuse("shmat", EPERM, (2, 0o100000))
    program.allow_only(system_calls(unit["SystemCallFilter"]))
    return program


def impose(unit, user, directory):
    on = lambda key: unit.get(key, ["no"])[-1] not in ("no", "")
    known = {
        "Environment",
        "LimitNOFILE", "LimitCORE", "UMask", "NoNewPrivileges", "CapabilityBoundingSet", "AmbientCapabilities",
        "PrivateTmp", "PrivateDevices", "ProtectSystem", "ProtectHome", "ProtectProc", "ProcSubset",
        "RestrictNamespaces", "RestrictSUIDSGID", "RestrictAddressFamilies", "LockPersonality",
        "MemoryDenyWriteExecute", "KeyringMode", "SystemCallArchitectures", "SystemCallFilter",
    }
    unknown = unit.keys() - known - NOT_IMPOSED - NOT_RESTRICTIONS - IMPLIED
    if unknown:
        sys.exit(f"as_unit.py does not know {sorted(unknown)}")

    program = build_filter(unit)
    for key, limit in (("LimitNOFILE", resource.RLIMIT_NOFILE), ("LimitCORE", resource.RLIMIT_CORE)):
        if key in unit:
            # Only systemd may raise it above what the machine gives.
            hard = resource.getrlimit(limit)[1]
            wanted = int(unit[key][0])
            resource.setrlimit(limit, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard),) * 2)
    mounts = Mounts(directory)
    if on("PrivateTmp"):
        mounts.private_tmp()
    if on("PrivateDevices"):
        mounts.private_devices()
    if on("ProtectHome"):
        mounts.no_home()
    if unit.get("ProtectSystem") == ["strict"]:
        mounts.read_only()
    if unit.get("ProtectProc") == ["invisible"]:
        mounts.own_processes(unit.get("ProcSubset") == ["pid"])
    if unit.get("KeyringMode") == ["private"]:
        libc.syscall(program.numbers["keyctl"], 1, None)
    if unit.get("CapabilityBoundingSet") == [""]:
        for capability in range(64):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    os.umask(int(unit["UMask"][0], 8))
    if on("NoNewPrivileges"):
        call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.chdir("/")
    program.install()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("unit")
    parser.add_argument("--user", required=True)
    parser.add_argument("--directory", required=True)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    unit = read_unit(given.unit)
    impose(unit, pwd.getpwnam(given.user), given.directory)
    environment = dict(pair.split("=", 1) for pair in unit.get("Environment", [])) | {
        "PATH": "/usr/bin:/bin",
        "STATE_DIRECTORY": f"{given.directory}/state",
        "RUNTIME_DIRECTORY": f"{given.directory}/run",
        "CREDENTIALS_DIRECTORY": f"{given.directory}/credentials",
    }
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):
        if name in os.environ:
            environment[name] = os.environ[name]
    if "WATCHDOG_USEC" in environment:
        environment["WATCHDOG_PID"] = str(os.getpid())
    os.execve(given.command[0], given.command, environment)


main()
