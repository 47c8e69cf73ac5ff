#!/bin/sh
# A Chromium for the report's tests: the system's, or Debian's package, or the one that playwright downloads.
# Without any of them those tests are skipped, with this reason.
set -u
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" > /dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "installing chromium for the report's tests"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core > /dev/null && exit 0
fi
"$1/python" -m playwright install chromium > /dev/null 2>&1 && exit 0
echo "no Chromium: install one, or the tests of the report in a browser are skipped" >&2
