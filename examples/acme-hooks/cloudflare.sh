#!/bin/sh
# DNS records at Cloudflare for --acme-hook (see README.md). Not tested against the real service.
# Needs curl and jq, CF_API_TOKEN (permission "DNS: edit" for the zone) and CF_ZONE_ID (shown on the zone's
# overview).
set -eu
action=$1 record=$2 value=$3
api="https://api.cloudflare.com/client/v4/zones/${CF_ZONE_ID:?}/dns_records"

call() {
  # A file descriptor passes the token, so that the process list does not show it.
  curl --silent --show-error --fail-with-body --max-time 30 \
    --header @/dev/fd/3 --header 'Content-Type: application/json' "$@" 3<<EOF
Authorization: Bearer ${CF_API_TOKEN:?}
EOF
}

case $action in
set)
  call --request POST "$api" --data "$(jq -n --arg name "$record" --arg value "$value" \
    '{type: "TXT", name: $name, content: ("\"" + $value + "\""), ttl: 60}')" >/dev/null
  ;;
clear)
  call --get "$api" --data-urlencode type=TXT --data-urlencode "name=$record" |
    jq -r --arg value "$value" '.result[] | select((.content | gsub("\""; "")) == $value) | .id' |
    while read -r id; do call --request DELETE "$api/$id" >/dev/null; done
  ;;
*)
  echo "usage: $0 set|clear RECORD VALUE" >&2
  exit 2
  ;;
esac
