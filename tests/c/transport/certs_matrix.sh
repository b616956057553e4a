#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The certificates of test_tls_matrix.c, into the directory $1: NAME.pem is what
# a server shows, with its chain, NAME.key its key; root.pem is trusted.
set -eu
cd "$1"
san=DNS:localhost,IP:127.0.0.1,IP:::1

key() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}

# root NAME [DAYS [CONSTRAINT]]
root() {
  key "$1"
  echo "basicConstraints=critical,CA:TRUE${3:-}" > "$1.ext"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -signkey "$1.key" -days "${2:-30}" \
    -extfile "$1.ext" -out "$1.pem"
}

# sign NAME ISSUER DAYS EXTENSIONS [OPTIONS…]; the key is there already or new.
sign() {
  name=$1 issuer=$2 days=$3
  [ -f "$name.key" ] || key "$name"
  printf '%b' "$4" > "$name.ext"
  shift 4
  openssl req -new -key "$name.key" -subj "/CN=$name" -out "$name.csr"
  openssl x509 -req -in "$name.csr" -CA "$issuer.pem" -CAkey "$issuer.key" \
    -CAcreateserial -days "$days" -extfile "$name.ext" "$@" -out "$name.pem"
}

# leaf NAME ISSUER [SAN]
leaf() {
  sign "$1" "$2" 30 "subjectAltName=${3:-$san}"
}

# shows NAME OTHERS…: what its server sends besides.
shows() {
  name=$1
  shift
  for other in "$@"; do cat "$other.pem" >> "$name.pem"; done
}

# From tomorrow on, which only `openssl ca` can do.
later() {
  key later
  printf '%b' "[ca]\ndefault_ca=a\n[a]\ndatabase=index\nnew_certs_dir=.\n" \
    "serial=serial\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n[p]\n" \
    "commonName=supplied\n[e]\nsubjectAltName=$san\n" > ca.cnf
  : > index
  echo 01 > serial
  openssl req -new -key later.key -subj /CN=later -out later.csr
  openssl ca -batch -notext -config ca.cnf -cert root.pem -keyfile root.key \
    -in later.csr -out later.pem \
    -startdate "$(date -u -d tomorrow +%Y%m%d%H%M%SZ)" -days 30
}

# The last byte of the certificate, which is of its signature, is another one.
forged() {
  leaf forged root
  openssl x509 -in forged.pem -outform DER -out forged.der
  size=$(wc -c < forged.der)
  head -c "$((size - 1))" forged.der > forged.head
  last=$(tail -c 1 forged.der | od -An -tu1)
  { cat forged.head; printf '%b' "\\0$(printf %o "$((last ^ 1))")"; } \
    > forged.der
  openssl x509 -in forged.der -inform DER -out forged.pem
}

all() {
  ca='basicConstraints=critical,CA:TRUE\n'
  root root
  root stranger
  root old_root -1
  root short_root 30 ,pathlen:0
  sign middle root 30 "$ca"
  sign old_middle root -1 "$ca"
  sign no_middle root 30 'basicConstraints=critical,CA:FALSE\n'
  sign deep_middle short_root 30 "$ca"
  sign fenced root 30 "${ca}nameConstraints=critical,permitted;DNS:.example\n"

  leaf good root
  leaf chain middle
  shows chain middle
  leaf disorder middle
  shows disorder stranger middle
  leaf gap middle
  leaf unknown stranger
  leaf sent_root stranger
  shows sent_root stranger
  sign expired root -1 "subjectAltName=$san"
  later
  leaf under_old_middle old_middle
  shows under_old_middle old_middle
  leaf under_old_root old_root
  leaf under_no_middle no_middle
  shows under_no_middle no_middle
  leaf under_deep_middle deep_middle
  shows under_deep_middle deep_middle
  leaf under_fenced fenced
  shows under_fenced fenced
  leaf other_name root DNS:other.example
  leaf other_address root IP:10.1.2.3,IP:fd00::1
  leaf address_as_name root DNS:127.0.0.1
  leaf wildcard root 'DNS:*.example.test'
  leaf part_wildcard root 'DNS:a*.example.test'
  leaf top_wildcard root 'DNS:*'
  sign for_clients root 30 "subjectAltName=$san\nextendedKeyUsage=clientAuth"
  sign critical root 30 \
    "subjectAltName=$san\n1.2.3.4=critical,ASN1:NULL"
  openssl genrsa -out weak.key 1024
  sign weak root 30 "subjectAltName=$san"
  sign sha1 root 30 "subjectAltName=$san" -sha1
  forged
}

exec 3>&2 > log 2>&1
trap '[ $? = 0 ] || cat log >&3' EXIT
all
