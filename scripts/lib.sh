# shellcheck shell=bash
# Sourced by the scripts beside it: where the project lies, how they speak,
# which Python they use.

ROOT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
SCRIPT="scripts/$(basename -- "$0")"

OLDEST_TORCH=2.6

# say WORDS...: one line of progress, on stderr.
say() { printf '%s: %s\n' "$SCRIPT" "$*" >&2; }

# die STEP WHAT_TO_DO: ends the script, naming the step that failed.
die() {
  printf '\n%s: failed: %s\n' "$SCRIPT" "$1" >&2
  [ $# -lt 2 ] || printf '%s\n' "$2" >&2
  exit 1
}

# as_root COMMAND...: sudo only for who is not root.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "need root for: $*" "Run that command as root, then $SCRIPT again."
  fi
}

# torch_of PYTHON: prints the version of its torch when that is recent enough
# and has the files to build against. Reads files and imports nothing, which
# takes milliseconds instead of seconds.
torch_of() {
  "$1" - "$OLDEST_TORCH" 2>/dev/null <<'PYTHON'
import importlib.util, os, re, sys
spec = importlib.util.find_spec("torch")
root = list(spec.submodule_search_locations)[0] if spec else sys.exit(1)
text = open(os.path.join(root, "version.py")).read()
version = re.search(r"__version__ = .*?['\"](.+?)['\"]", text).group(1)
number = tuple(int(n) for n in version.split("+")[0].split(".")[:2])
config = os.path.join(root, "share", "cmake", "Torch", "TorchConfig.cmake")
recent = number >= tuple(int(n) for n in sys.argv[1].split("."))
sys.exit(1) if not (recent and os.path.exists(config)) else print(version)
PYTHON
}

# find_torch_python: prints the first Python that has a usable torch.
find_torch_python() {
  local python
  for python in "${ENGRAFT_PYTHON:-}" "$ROOT/.venv/bin/python" python3 python; do
    if [ -n "$python" ] && command -v "$python" >/dev/null &&
      torch_of "$python" >/dev/null; then
      command -v "$python"
      return 0
    fi
  done
  return 1
}

# install_once FOLDER WHAT SIZE COMMAND...: has the command put Python packages
# into the folder, from nothing, unless WHAT is there already.
install_once() {
  local folder="$1" what="$2" size="$3"
  shift 3
  [ "$(cat "$folder/.complete" 2>/dev/null)" != "$what" ] || return 0
  say "fetching $what and what it needs into $folder ($size)"
  rm -rf "$folder"
  "$@" || die "installing $what" "See the messages above."
  printf '%s\n' "$what" >"$folder/.complete"
}

# tensorboard_python: prints a Python that has TensorBoard, which is fetched
# into build/tensorboard-env, not into .venv.
tensorboard_python() {
  local environment="$ROOT/build/tensorboard-env" wanted="tensorboard==2.21.0"
  # shellcheck disable=SC2317 # called by install_once
  fetch_tensorboard() {
    python3 -m venv "$environment" || die "creating $environment" \
      "On Debian, python3-venv must be installed."
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
      "$wanted" >&2
  }
  install_once "$environment" "$wanted" "40 MB" fetch_tensorboard
  printf '%s\n' "$environment/bin/python"
}

# jobs_that_fit: how many compilers at once; one of them takes up to 2 GB.
jobs_that_fit() {
  local cores gigabytes
  cores="$(nproc)"
  gigabytes="$(awk '/MemAvailable/ {print int($2 / 2097152)}' /proc/meminfo)"
  [ "$gigabytes" -ge 1 ] || gigabytes=1
  echo $((cores < gigabytes ? cores : gigabytes))
}

# fetch_deb PACKAGE: downloads a Debian package into downloads/, installs
# nothing, prints the path of the file.
fetch_deb() {
  local package="$1" file
  mkdir -p "$ROOT/downloads"
  file="$(find "$ROOT/downloads" -maxdepth 1 -name "${package}_*.deb" | sort | tail -1)"
  if [ -z "$file" ]; then
    command -v apt-get >/dev/null || die "fetching $package" \
      "This system has no apt-get. Put ${package}_*.deb into downloads/ and run $SCRIPT again."
    if [ -z "$(apt-cache policy "$package" 2>/dev/null | awk '/Candidate:/ && $2 != "(none)"')" ]; then
      say "reading the package lists (apt-get update)"
      as_root apt-get update -qq >&2 || die "apt-get update" "Is the network there?"
    fi
    say "fetching $package ($(apt-cache show "$package" | awk '/^Size:/ {printf "%d MB", $2 / 1e6; exit}'), not installed)"
    # As root, apt fetches as its own user, who may not enter this folder, and
    # warns about that: fetch into a folder that it owns, then move.
    local landing
    landing="$(mktemp -d)"
    chmod 755 "$landing"
    if [ "$(id -u)" -eq 0 ] && id _apt >/dev/null 2>&1; then
      chown _apt "$landing"
    fi
    (cd "$landing" && apt-get download -qq "$package" >&2) ||
      { rm -rf "$landing"; die "fetching the Debian package $package" \
        "See apt-get's message above; 'apt-get update' may help."; }
    file="$(find "$landing" -name '*.deb')"
    mv "$file" "$ROOT/downloads/"
    file="$ROOT/downloads/$(basename "$file")"
    rm -rf "$landing"
  fi
  printf '%s\n' "$file"
}
