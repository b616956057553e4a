#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The certificates of the transport tests, into the directory $1.
set -eu
cd "$1"

key() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}

authority() {
  key "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 30 \
    -addext basicConstraints=critical,CA:TRUE -out "$1.pem"
}

# signed NAME SAN DAYS
signed() {
  key "$1"
  printf 'subjectAltName=%s\n' "$2" > "$1.ext"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial \
    -days "$3" -extfile "$1.ext" -out "$1.pem"
}

exec 3>&2 > log 2>&1
trap '[ $? = 0 ] || cat log >&3' EXIT
authority ca
authority other
signed server DNS:localhost,IP:127.0.0.1,IP:::1 30
signed elsewhere DNS:elsewhere.example,IP:10.1.2.3 30
signed client DNS:agent 30
signed expired DNS:localhost,IP:127.0.0.1 -1
