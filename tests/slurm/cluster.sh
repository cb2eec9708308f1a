#!/usr/bin/env bash
# A Slurm of virtual nodes on this machine, for tests: two CPU nodes, and two GPU nodes with two pretended GPUs each.
#
#   cluster.sh up             install (Debian, root) and start what is missing; a changed setting restarts the daemons
#   cluster.sh down           stop the daemons that `up` started
#   cluster.sh status         nodes and jobs
#   cluster.sh fail NODE      the node dies: its daemon and all of its jobs' processes get SIGKILL; `up` brings it back
#   cluster.sh restart        stop and start the controller while jobs run
#
# Settings by environment: ACCT=1|0 (accounting by slurmdbd on MariaDB, or none), MEM=auto|cgroup|none (what enforces a
# job's memory), GDE_SLURM_STATE=/var/lib/gde-slurm (logs, sockets, databases).
# Partitions: all (default), cpu, gpu.
set -euo pipefail

STATE=${GDE_SLURM_STATE:-/var/lib/gde-slurm}
ACCT=${ACCT:-1}
MEM=${MEM:-auto}
MARK="# written by gde's tests/slurm/cluster.sh"
NODES="cpu1 cpu2 gpu1 gpu2"
RUN=$STATE/run
LOG=$STATE/log
export MYSQL_UNIX_PORT=$RUN/mariadb.sock # where slurmdbd finds it

say() { printf 'cluster.sh %3ds: %s\n' "$SECONDS" "$*"; }
die() { say "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "run as root"
mkdir -p "$RUN" "$LOG" "$STATE/ctld" "$STATE/dev"
# One at a time; -o keeps the daemons from inheriting the lock.
[ "${GDE_SLURM_LOCKED:-}" = 1 ] || GDE_SLURM_LOCKED=1 exec flock -o "$STATE/lock" "$0" "$@"

running() { [ -d "/proc/$1" ] && ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status"; }
alive() { [ -s "$1" ] && running "$(cat "$1")"; } # pidfile
wait_for() { # seconds, command
  local tries=$(($1 * 5))
  shift
  for _ in $(seq "$tries"); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
  return 1
}
gone() { ! alive "$1"; }
stop() { # pidfile
  if alive "$1"; then kill "$(cat "$1")" && wait_for 15 gone "$1" || kill -KILL "$(cat "$1")"; fi
  rm -f "$1"
}

install_packages() {
  local wanted=(munge slurmctld slurmd slurm-client slurm-wlm-basic-plugins) missing=() guard=/usr/sbin/policy-rc.d
  [ "$ACCT" = 0 ] || wanted+=(slurmdbd slurm-wlm-mysql-plugin mariadb-server)
  for p in "${wanted[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null || true)" = "ii " ] || missing+=("$p")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  # Packages must not start daemons with settings of their own.
  [ -e $guard ] || { printf '#!/bin/sh\nexit 101\n' >$guard; chmod +x $guard; trap 'rm -f '$guard EXIT; }
  { apt-get update -qq || true; DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >"$LOG/apt.log" 2>&1 || { tail -5 "$LOG/apt.log" >&2; die "apt-get failed: $LOG/apt.log"; }
}

put() { # path, mode; text on stdin; sets CHANGED
  local new
  new=$(mktemp)
  { echo "$MARK"; cat; } >"$new"
  cmp -s "$new" "$1" || { install -D -m "$2" "$new" "$1"; CHANGED=1; }
  rm -f "$new"
}

configure() {
  CHANGED=0
  local conf=/etc/slurm/slurm.conf probe=/sys/fs/cgroup/memory/gde_slurm_probe
  [ ! -e $conf ] || head -1 $conf | grep -qxF "$MARK" || die "$conf is not ours: this machine has a Slurm of its own"
  if [ "$MEM" = auto ]; then
    MEM=none
    if [ -d /sys/fs/cgroup/freezer ] && mkdir $probe 2>/dev/null; then rmdir $probe; MEM=cgroup; fi
  fi
  # Slurm takes nothing but character devices whose names end in a number for GPUs.
  for i in 0 1; do [ -c "$STATE/dev/gpu$i" ] || mknod -m 666 "$STATE/dev/gpu$i" c 195 $i; done
  put $conf 644 <<CONF
ClusterName=gde
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=$STATE/ctld
SlurmdSpoolDir=$STATE/spool-%n
SlurmctldPidFile=$RUN/slurmctld.pid
SlurmdPidFile=$RUN/slurmd-%n.pid
SlurmctldLogFile=$LOG/slurmctld.log
SlurmdLogFile=$LOG/slurmd-%n.log
# virtual nodes have more cores than the machine
SlurmdParameters=config_overrides
$(if [ "$MEM" = cgroup ]; then
    printf '%s\n' ProctrackType=proctrack/cgroup TaskPlugin=task/cgroup JobAcctGatherType=jobacct_gather/cgroup
  else
    printf '%s\n' ProctrackType=proctrack/linuxproc TaskPlugin=task/none JobAcctGatherType=jobacct_gather/linux
  fi)
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# the default intervals are tens of seconds
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
# squeue shows finished jobs for so long
MinJobAge=300
KillWait=30
OverTimeLimit=0
SlurmdTimeout=30
SlurmctldTimeout=30
# a node that was down serves again without an operator
ReturnToService=2
MpiDefault=none
GresTypes=gpu
$(if [ "$ACCT" = 1 ]; then
    printf '%s\n' AccountingStorageType=accounting_storage/slurmdbd AccountingStorageHost=localhost AccountingStorageTRES=gres/gpu
  else
    echo AccountingStorageType=accounting_storage/none
  fi)
NodeName=DEFAULT CPUs=8 SocketsPerBoard=1 CoresPerSocket=8 RealMemory=16000
NodeName=cpu[1-2] NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=[17001-17002] Weight=1
NodeName=gpu[1-2] NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=[17101-17102] Weight=9 Gres=gpu:fake:2
PartitionName=DEFAULT MaxTime=1-00:00:00 DefaultTime=01:00:00 DefMemPerCPU=500
PartitionName=all Nodes=cpu[1-2],gpu[1-2] Default=YES
PartitionName=cpu Nodes=cpu[1-2]
PartitionName=gpu Nodes=gpu[1-2]
CONF
  put /etc/slurm/gres.conf 644 <<<"NodeName=gpu[1-2] Name=gpu Type=fake File=$STATE/dev/gpu[0-1]"
  if [ "$MEM" = cgroup ]; then
    put /etc/slurm/cgroup.conf 644 < <(printf '%s\n' CgroupAutomount=no CgroupPlugin=cgroup/v1 \
      CgroupMountpoint=/sys/fs/cgroup ConstrainRAMSpace=yes ConstrainSwapSpace=no AllowedRAMSpace=100 MinRAMSpace=30)
  else
    put /etc/slurm/cgroup.conf 644 <<<ConstrainRAMSpace=no
  fi
  [ "$ACCT" = 0 ] || put /etc/slurm/slurmdbd.conf 600 <<CONF
AuthType=auth/munge
DbdHost=localhost
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
LogFile=$LOG/slurmdbd.log
PidFile=$RUN/slurmdbd.pid
CONF
}

munge_works() { munge -n </dev/null | unmunge; }

start_munge() {
  munge_works >/dev/null 2>&1 && return
  install -d -o munge -g munge -m 755 /run/munge
  install -d -o munge -g munge -m 700 /var/log/munge /var/lib/munge /etc/munge
  [ -s /etc/munge/munge.key ] || install -o munge -g munge -m 400 <(head -c 1024 /dev/urandom) /etc/munge/munge.key
  runuser -u munge -- /usr/sbin/munged
  wait_for 10 munge_works || die "munged does not answer"
  cp /run/munge/munged.pid "$RUN/munged.pid" # so that `down` stops only what `up` started
}

start_accounting() {
  if ! alive "$RUN/mariadb.pid"; then
    [ -d "$STATE/mysql/mysql" ] || mariadb-install-db --user=root --datadir="$STATE/mysql" >"$LOG/mariadb.log" 2>&1
    setsid mariadbd --no-defaults --user=root --datadir="$STATE/mysql" --socket="$MYSQL_UNIX_PORT" --skip-networking \
      --pid-file="$RUN/mariadb.pid" --innodb-buffer-pool-size=128M --innodb-lock-wait-timeout=900 \
      >>"$LOG/mariadb.log" 2>&1 </dev/null &
    wait_for 30 mariadb-admin --socket="$MYSQL_UNIX_PORT" ping || die "mariadbd does not answer: $LOG/mariadb.log"
  fi
  alive "$RUN/slurmdbd.pid" || slurmdbd
  wait_for 30 sacctmgr -n list cluster || die "slurmdbd does not answer: $LOG/slurmdbd.log"
  # The plugin reads the user's account from here.
  sacctmgr -n list cluster format=cluster | grep -qw gde || sacctmgr -i add cluster gde >/dev/null
  sacctmgr -n list user root withassoc format=account%9 | grep -qw lab ||
    { sacctmgr -i add account lab && sacctmgr -i add user root account=lab; } >/dev/null
}

serving() { [ "$(sinfo -h -N -t idle,mix,alloc -o %N | sort -u | wc -l)" = "$(wc -w <<<"$NODES")" ]; }

start_slurm() {
  alive "$RUN/slurmctld.pid" || slurmctld
  wait_for 20 scontrol ping || die "slurmctld does not answer: $LOG/slurmctld.log"
  for n in $NODES; do
    mkdir -p "$STATE/spool-$n"
    alive "$RUN/slurmd-$n.pid" || slurmd -N "$n"
    case $(sinfo -h -n "$n" -o %t | head -1) in
      *down* | *drain* | *drng* | *inval*) scontrol update "nodename=$n" state=resume || true ;;
    esac
  done
  wait_for 60 serving || { sinfo -N -o '%N %t %E' >&2; die "nodes do not serve: $LOG"; }
}

stop_slurm() {
  for f in "$RUN"/slurmd-*.pid "$RUN/slurmctld.pid" "$RUN/slurmdbd.pid"; do stop "$f"; done
}

fail() { # node
  local jobs pids=() job
  jobs=$(squeue -h -w "$1" -t running,completing -o %A)
  alive "$RUN/slurmd-$1.pid" && pids+=("$(cat "$RUN/slurmd-$1.pid")")
  for job in $jobs; do
    # the keepers of the job's steps, by title, and everything that they started on this node
    for p in /proc/[0-9]*; do
      if tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -q "^slurmstepd: \[$job\." ||
        { tr '\0' '\n' <"$p/environ" 2>/dev/null | grep -qx "SLURMD_NODENAME=$1" &&
          tr '\0' '\n' <"$p/environ" 2>/dev/null | grep -qx "SLURM_JOB_ID=$job"; }; then
        pids+=("${p#/proc/}")
      fi
    done
  done
  [ ${#pids[@]} = 0 ] || kill -KILL "${pids[@]}" 2>/dev/null || true
  rm -f "$RUN/slurmd-$1.pid"
  scontrol update "nodename=$1" state=down reason="killed by a test" # SlurmdTimeout would find out later
  say "$1 is down, with jobs: ${jobs//$'\n'/ }"
}

case "${1:-}" in
  up)
    install_packages
    configure
    if [ "$CHANGED" = 1 ]; then
      stop_slurm
      rm -rf "$STATE/ctld" && mkdir "$STATE/ctld"
    fi
    start_munge
    [ "$ACCT" = 0 ] || start_accounting
    start_slurm
    say "up: $(slurmctld -V), accounting=$ACCT memory=$MEM"
    ;;
  down)
    ! alive "$RUN/slurmctld.pid" || { scancel -u root || true; sleep 1; }
    stop_slurm
    stop "$RUN/mariadb.pid"
    stop "$RUN/munged.pid"
    ;;
  status)
    alive "$RUN/slurmctld.pid" || die "down"
    sinfo -N -o '%10N %10P %8t %6c %8m %20G %E'
    squeue -o '%8i %10P %20j %10T %8M %10N %k'
    ;;
  fail) fail "${2:?a node}" ;;
  restart)
    stop "$RUN/slurmctld.pid"
    slurmctld
    wait_for 20 scontrol ping || die "slurmctld does not answer: $LOG/slurmctld.log"
    ;;
  *) die "usage: cluster.sh up | down | status | fail NODE | restart" ;;
esac
