// Package process runs attempts as local processes, with no cluster and no
// container engine. The image of a template is not used: its command is one of
// this machine's, whose files every attempt sees.
//
// # The holder
//
// Attempts are started and waited for by a process of their own, the holder:
// this same binary, started with HolderArg. Of `pawl run` it is a child that
// ends with it. Of `pawl serve` (Options.Detached) there is one a data folder,
// which outlives a crash and an upgrade of the server and is found again by its
// socket, <data>/holder.sock: a training of ten hours survives a restart. It
// writes how each attempt ended into the attempt's folder, so that nothing is
// lost while nobody listens, and ends itself when nobody has needed it for a
// minute. If the holder dies, its attempts die with it and end as Lost.
//
// A server of another version of the binary retires the holder that it finds:
// it moves its socket to holder-<pid>.sock, takes no new attempts, is looked
// after by the new server until its last attempt has ended, and goes. wire.go
// says what of the protocol may never change for that.
//
// # Isolation
//
// With namespaces (Linux 5.12 or later on amd64 and arm64; as root, or as any
// user where user namespaces are allowed) each attempt has
//
//   - a root of its own, in which the host's top-level folders are read-only,
//     home folders, /tmp, /run and pawl's data folder are not the host's, and
//     everything else can be written to, so that absolute paths in a manifest
//     are real and what is written to them reaches nobody else;
//   - a process tree of its own: when the command ends, all it started ends;
//   - none of the rights by which root could leave the two.
//
// It shares the network, the user and the hardware with the machine. This keeps
// steps from getting into each other's and the machine's way; it is no wall
// against somebody who means harm.
//
// The working directory is /workspace, with the code folder below a writable
// layer of the attempt's own. Where an output lies below a folder of the host
// (/usr/local/x), that folder gets such a layer too. HOME is the server's own
// HOME by name and empty, but for folders of programs that PATH names (~/.pyenv,
// a virtual environment), which are there read-only. An input folder has a
// writable layer; an input file up to 8 MiB is a copy and a larger one is
// read-only; an input at the path of a volume, or within one, is copied into
// the volume, where files that are there already are kept.
//
// Without namespaces (macOS, or a hardened machine) an attempt is an ordinary
// process whose working directory is a copy of the code folder, and inputs and
// outputs must be reached by relative paths or Argo's placeholders: others are
// refused by Check. When the command ends its process group is killed; what has
// left the group lives on.
//
// # Environment
//
// A command's environment is the manifest's, with $(NAME) replaced as
// Kubernetes does, and PATH, HOME, TMPDIR, PAWL_RUN (the run's UID),
// PAWL_WORKFLOW (its name), PAWL_NAMESPACE, PAWL_TEMPLATE, PAWL_NODE (full
// name), PAWL_ATTEMPT (from 0), and with GPUs CUDA_VISIBLE_DEVICES and
// NVIDIA_VISIBLE_DEVICES. Nothing else of the server's is in it.
//
// # Room
//
// As many attempts run at once as fit the machine by their requests: of CPU (one
// core if nothing is said), of memory and of GPUs (Options.GPUs), in the order
// of asking. A memory limit is kept by a cgroup where one can be made, else for
// each process by RLIMIT_DATA.
//
// # Folders
//
//	<data>/attempts/<hash>/     an attempt, until Remove; see stage and recover.go
//	<data>/runs/<run>/volumes/  volumes that a run's attempts share
//	<data>/runs/<run>/logs/     <hash>.log, stdout and stderr as one
//	<data>/base, skeleton-*     what all private roots are made of
package process
