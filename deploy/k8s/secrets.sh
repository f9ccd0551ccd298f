#!/bin/sh
# Makes the files in secrets/ that kustomization.yaml mounts, with random passwords, for
# their owner to read alone. What is there already stays as it is.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
cd secrets

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
write() { [ -e "$1" ] || { cat > "$1"; echo "secrets/$1"; } }

camd=$(random) replica=$(random) sentinel=$(random)
if [ -e users.acl ]; then
    echo "secrets/users.acl is there: the passwords stay" >&2
    exit 0
fi

# Names and keys, as `api_keys` has them. Prometheus and people get the same rights here;
# api_rights in camd.yaml narrows that.
write api-keys <<END
{"prometheus": "$(random)", "wall": "$(random)"}
END
printf %s "$(random)" | write signing-key
printf %s "redis+sentinel://camd:$camd@valkey-sentinel:26379/camd/0" | write cameras-from

write users.acl <<END
user default off
user camd on >$camd resetkeys ~camd:* resetchannels nocommands +auth +select +ping +time +role +xadd +xread +pexpire +hset +hget +hmget +hgetall +hdel
user replica on >$replica resetkeys resetchannels nocommands +auth +psync +replconf +ping
user sentinel on >$sentinel resetkeys allchannels nocommands +auth +multi +exec +slaveof +replicaof +ping +subscribe +publish +config|rewrite +role +info +client|setname +client|kill +script|kill
END
write replica.conf <<END
masteruser replica
masterauth $replica
END
write sentinel.conf <<END
port 26379
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor camd valkey-0.valkey 6379 2
sentinel auth-user camd sentinel
sentinel auth-pass camd $sentinel
sentinel down-after-milliseconds camd 2000
sentinel failover-timeout camd 10000
END
