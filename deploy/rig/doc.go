// Package rig runs several hosts on one machine, for tests and benchmarks: each
// with a network address, processes and mounts of its own, joined by a bridge,
// and with a real Docker Engine, a real sshd and a real nginx where asked for.
//
// It needs root, and the programs ip, iptables, nsenter, dockerd, sshd,
// ssh-keygen and nginx for what is asked of it. Everything that belongs to the
// machine and is not a file of the rig's folder is shared: /etc, /usr, /tmp.
//
// It promises:
//   - [Rig.Close] removes all that the rig made: processes, containers, network
//     links, firewall rules, control groups, files.
//   - When the program that made a rig is killed, every process of the rig dies
//     with it, and the next [New] in the same folder removes the rest.
//   - Several rigs of different names run at the same time.
package rig
