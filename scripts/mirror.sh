#!/bin/bash
# Prints the mirror from which this machine takes Debian, or the general one if it is no Debian.
# Works on any machine; needs nothing.
#
#   scripts/mirror.sh
set -euo pipefail

# shellcheck disable=SC2016 # the names are apt's, not the shell's
uri=$(apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(REPO_URI)' 2>/dev/null |
    sed -n '/^Debian main http/{s/^Debian main //;s,/$,,;/security/!{p;q}}' || true)
echo "${uri:-http://deb.debian.org/debian}"
