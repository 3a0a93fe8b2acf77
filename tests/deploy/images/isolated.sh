#!/bin/sh
# Runs a command in namespaces of its own: isolated.sh COMMAND [ARGUMENT…]
#
# The command and its containers see only a loopback interface and the networks that they make themselves, so their
# ports are free and no packet leaves this machine. When the command ends, every process that it left is killed; on an
# empty /run, podman takes what an earlier command left for stopped, as after a reboot.
exec unshare --net --mount --pid --fork --kill-child --mount-proc \
    sh -c 'mount -t tmpfs tmpfs /run && ip link set dev lo up && "$@"' isolated "$@"
