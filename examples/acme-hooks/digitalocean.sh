#!/bin/sh
# DNS records at DigitalOcean for --acme-hook (see README.md). Not tested against the real service.
# Needs curl and jq, DO_API_TOKEN (scopes domain:read, domain:update, domain:delete) and DO_DOMAIN, the zone.
set -eu
action=$1 record=$2 value=$3
api="https://api.digitalocean.com/v2/domains/${DO_DOMAIN:?}/records"
# The API takes names relative to the zone.
name=${record%".$DO_DOMAIN"}

call() {
  # A file descriptor passes the token, so that the process list does not show it.
  curl --silent --show-error --fail-with-body --max-time 30 \
    --header @/dev/fd/3 --header 'Content-Type: application/json' "$@" 3<<EOF
Authorization: Bearer ${DO_API_TOKEN:?}
EOF
}

case $action in
set)
  call --request POST "$api" --data "$(jq -n --arg name "$name" --arg value "$value" \
    '{type: "TXT", name: $name, data: $value, ttl: 60}')" >/dev/null
  ;;
clear)
  call --get "$api" --data-urlencode type=TXT --data-urlencode "name=$record" --data-urlencode per_page=200 |
    jq -r --arg value "$value" '.domain_records[] | select(.data == $value) | .id' |
    while read -r id; do call --request DELETE "$api/$id" >/dev/null; done
  ;;
*)
  echo "usage: $0 set|clear RECORD VALUE" >&2
  exit 2
  ;;
esac
