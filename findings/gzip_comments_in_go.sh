#!/usr/bin/env bash
# Programs written in Go refuse gzip files whose comment is longer than 511 bytes.
#
# RFC 1952 sets no limit; gzip and Python read such files. Go's compress/gzip reads names and comments into 512 bytes,
# the zero at the end included, and else reports an invalid header. Of the extra field it reads all of its 65,535 bytes.
# So the record of our own .gz files stands in the extra field (gde/files/sealed_gzip.py).
#
# Seen with seqkit 2.3.0 (Debian 12), 1 December 2026:
#   comment 511: read      comment 512: [ERRO] ... fastx: gzip: invalid header      extra 60000: read
# Needs apt-get, dpkg-deb, gzip and python3; installs nothing outside a temporary folder. Exits 1 when that changed.
set -euo pipefail

version=2.3.1+ds-1+b4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

apt-get -qq download "seqkit=$version" 2>download.log || { cat download.log; echo "no seqkit=$version: apt-get update?"; exit 2; }
dpkg-deb -x seqkit_*.deb seqkit
python3 - <<'PYTHON'
import struct
import zlib

TEXT = b">a\nACGT\n"


def write(name, flag, field):
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = struct.pack("<2sBBLBB", b"\x1f\x8b", zlib.DEFLATED, flag, 0, 0, 255) + field
    end = struct.pack("<LL", zlib.crc32(TEXT), len(TEXT))
    with open(name, "wb") as f:
        f.write(head + deflate.compress(TEXT) + deflate.flush() + end)


for n in (511, 512):
    write(f"comment_{n}.fasta.gz", 16, b"c" * n + b"\0")
write("extra_60000.fasta.gz", 4, struct.pack("<H2sH", 60004, b"GD", 60000) + b"x" * 60000)
PYTHON

failed=0
check() { # file, what seqkit is to make of it
    gzip -t "$1" || failed=1
    if seen=$(seqkit/usr/bin/seqkit stats -T "$1" 2>&1) && [[ $seen == *$'\t1\t4\t4\t4.0\t4'* ]]; then found=read; else found=refused; fi
    echo "$1: $found, expected $2"
    [[ $found == "$2" ]] || { echo "$seen"; failed=1; }
}
seqkit/usr/bin/seqkit version
check comment_511.fasta.gz read
check comment_512.fasta.gz refused
check extra_60000.fasta.gz read
exit "$failed"
