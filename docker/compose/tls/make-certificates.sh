#!/bin/sh
# Make a key and a certificate that signs itself, in the folder $1, unless they are there.
set -eu
cd "$1"
[ ! -e server.crt ] || exit 0
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=remote \
    -addext 'subjectAltName=DNS:remote,DNS:localhost,IP:127.0.0.1' -keyout server.key -out server.crt
chmod 644 server.* # the key is for tests; the server is another user
