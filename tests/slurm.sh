#!/usr/bin/env bash
# A Slurm array on a real Slurm: two nodes on this machine, four tasks with --shard auto, one of them killed half-way and
# requeued by Slurm. What they leave is, row by row and byte by byte, what one run makes.
#
# Needs root, target/release/lorascope and python3. Where there is no Slurm, Debian's is installed.
# Everything else lies in a folder that is removed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
lorascope=$PWD/target/release/lorascope
synthetic=$PWD/benches/synthetic.py
python=$(bash tests/python.sh)

if [ "$(id -u)" != 0 ]; then
    echo "skipped: only root can start the daemons of Slurm" >&2
    exit 0
fi
# slurmd and munged lie in /usr/sbin.
PATH=$PATH:/usr/sbin:/sbin
if ! command -v slurmd >/dev/null || ! command -v munged >/dev/null; then
    apt-get update
    apt-get install -y --no-install-recommends slurm-wlm munge
fi

dir=$(mktemp -d)
# munged wants its folder closed to others.
chmod 755 "$dir"
daemons=()
finish() {
    local status=$?
    # Only what was started here, and the last one first.
    for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do kill "${daemons[i]}" 2>/dev/null || true; done
    for pid in "${daemons[@]}"; do wait "$pid" 2>/dev/null || true; done
    if [ "$status" != 0 ]; then
        tail -n 20 "$dir"/*.log "$dir"/task-*.out >&2 2>/dev/null || true
    fi
    rm -rf "$dir"
}
trap finish EXIT

host=$(hostname -s)
# Ports below those that the system gives out, and hardly those of another Slurm on this machine.
port=$((20000 + $$ % 10000))
mkdir -m 700 "$dir/munge"
head -c 1024 /dev/urandom >"$dir/munge/key"
chmod 600 "$dir/munge/key"
cat >"$dir/slurm.conf" <<CONF
ClusterName=lorascope
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=$port
AuthType=auth/munge
# A task that is requeued may start anew once its first credential is void: after 10 seconds in place of 2 minutes.
AuthInfo=socket=$dir/munge.socket,cred_expire=10
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool-%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
# 137: a task whose process was killed, as by the kernel when memory runs out.
RequeueExit=137,143
SchedulerParameters=sched_interval=1,bf_interval=1
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=2
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=2
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=10 State=UP
CONF
# Nothing of this needs control groups, which a container may not have. Before 23.02 there was no word for that, and the
# plugin of version 1 is content without them.
case $(slurmd -V) in
"slurm-wlm 2"[0-2].*) plugin=cgroup/v1 ;;
*) plugin=disabled ;;
esac
echo "CgroupPlugin=$plugin" >"$dir/cgroup.conf"
mkdir "$dir/state" "$dir/spool-n1" "$dir/spool-n2"
export SLURM_CONF=$dir/slurm.conf

munged --foreground --force --key-file="$dir/munge/key" --socket="$dir/munge.socket" --pid-file="$dir/munge/pid" \
    --log-file="$dir/munge.log" --seed-file="$dir/munge/seed" >"$dir/munged.log" 2>&1 &
daemons+=($!)
until [ -S "$dir/munge.socket" ]; do
    kill -0 "${daemons[0]}"
    sleep 0.1
done
slurmctld -D -c >"$dir/ctld.log" 2>&1 &
daemons+=($!)
for node in n1 n2; do
    slurmd -D -N $node >"$dir/$node.log" 2>&1 &
    daemons+=($!)
done
for _ in $(seq 100); do
    [ "$(sinfo -h -N -t idle -o %N 2>/dev/null | sort -u | tr '\n' ' ')" = "n1 n2 " ] && break
    sleep 0.2
done
sinfo -N
[ "$(sinfo -h -N -t idle -o %N | wc -l)" = 2 ] || { echo "error: the nodes did not come up" >&2; exit 1; }

# 24 adapters of 4 modules: in blocks of one adapter a side, which are 1104, each task takes a while.
"$python" "$synthetic" "$dir/runs" 24 8 256 4
cd "$dir"
"$lorascope" scan runs -o single --cache cache --engine cpu -q
mkdir array
"$python" - <<'PY'
import json

plan = json.load(open("single/plan.json"))
plan["block"], plan["engine"] = 1, None
json.dump(plan, open("array/plan.json", "w"))
PY
job=$(sbatch --parsable --array=1-4 --requeue --open-mode=append -o "$dir/task-%a.out" \
    --wrap "cd $dir && $lorascope scan runs -o array --cache cache-of-array --engine cpu --threads 1 --shard auto")
echo "job $job: 4 tasks"

# The side log says who does which share; its process is killed when some of the share's blocks are done.
victim=$("$python" - <<'PY'
import glob
import json
import os
import signal
import time

for _ in range(12000):
    for log in glob.glob("array/work/log/*.jsonl"):
        lines = [json.loads(line) for line in open(log) if line.endswith("\n")]
        if lines and lines[0]["shard"] == [2, 4] and sum("block" in line for line in lines) >= 20:
            os.kill(lines[0]["pid"], signal.SIGKILL)
            print(lines[0]["pid"])
            raise SystemExit
    time.sleep(0.005)
raise SystemExit("error: task 2 did not begin")
PY
)
echo "killed the process $victim of task 2"

for _ in $(seq 600); do
    [ -z "$(squeue -h -j "$job" 2>/dev/null)" ] && break
    sleep 0.25
done
squeue -h -j "$job" 2>/dev/null || true
"$python" - "$victim" <<'PY'
import glob
import json
import sys

import duckdb

lines = [json.loads(line) for log in glob.glob("array/work/log/*.jsonl") for line in open(log) if line.endswith("\n")]
by_process = {}
for line in lines:
    by_process.setdefault((tuple(line["shard"]), line["pid"]), []).append(line.get("block"))
shares = sorted(share for share, _ in by_process)
if shares != [(1, 4), (2, 4), (2, 4), (3, 4), (4, 4)]:
    sys.exit(f"error: the shares {shares} were done, expected each once and (2, 4) twice")
n_first = len(by_process[(2, 4), int(sys.argv[1])]) - 1
print(f"task 2 had done {n_first} of 276 blocks when it was killed")
if not 20 <= n_first < 276:
    sys.exit("error: that is not half-way")


def rows(out):
    order = "SELECT * FROM read_parquet('{}/pairs/*.parquet') ORDER BY module, a, b"
    # As bits: two numbers that print alike are not alike enough.
    return repr(duckdb.sql(order.format(out)).fetchall())


single, array = rows("single"), rows("array")
if single != array:
    sys.exit("error: the array's rows are not those of a single run")
print(f"{single.count('(')} rows, the same as those of a single run")
PY
cmp single/adapters.parquet array/adapters.parquet
# And, with the array's blocks, the same files.
mkdir again
sed 's/"engine": {[^}]*}/"engine": null/' array/plan.json >again/plan.json
"$lorascope" scan runs -o again --cache cache --engine cpu -q
diff -r again/pairs array/pairs
echo "one array with a killed task, one table"
