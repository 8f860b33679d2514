#!/usr/bin/env bash
# Make sure that Qt's xcb platform, software OpenGL and a virtual screen are there (Debian and Ubuntu).
set -euo pipefail
packages=(python3-venv xvfb xauth xdotool libgl1 libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1
  libxkbcommon-x11-0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
  libxcb-shape0 libxcb-xinerama0 libxcb-xfixes0 libxcb-cursor0)

if ! command -v dpkg-query >/dev/null; then
  echo "Not a Debian or Ubuntu system: make sure that Qt's xcb libraries and OpenGL are installed."
  exit 0
fi
missing=()
for package in "${packages[@]}"; do
  # Ubuntu's 64-bit-time transition renamed libglib2.0-0 to libglib2.0-0t64, which provides the old name.
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' && continue
  dpkg-query -W -f '${Status}' "${package}t64" 2>/dev/null | grep -q 'ok installed' && continue
  [ "$package" = python3-venv ] && python3 -c 'import ensurepip' 2>/dev/null && continue
  missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "Missing system libraries. Run:  sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
echo "Installing system libraries: ${missing[*]}"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
