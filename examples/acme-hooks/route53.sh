#!/bin/sh
# DNS records at Amazon Route 53 for --acme-hook (see README.md). Not tested against the real service.
# Needs the aws command with credentials for route53:ListResourceRecordSets, ChangeResourceRecordSets and
# GetChange, jq, and HOSTED_ZONE_ID.
set -eu
action=$1 record=$2 value=$3
zone=${HOSTED_ZONE_ID:?}

# Route 53 keeps all values of a name in one record set: the other values have to be kept.
current=$(aws route53 list-resource-record-sets --hosted-zone-id "$zone" --output json \
  --start-record-name "$record." --start-record-type TXT --max-items 1 |
  jq -c --arg name "$record." \
    '[.ResourceRecordSets[] | select(.Name == $name and .Type == "TXT") | .ResourceRecords[]]')
this=$(jq -nc --arg value "$value" '{Value: ("\"" + $value + "\"")}')

case $action in
set) wanted=$(printf %s "$current" | jq -c --argjson this "$this" '. + [$this] | unique') ;;
clear) wanted=$(printf %s "$current" | jq -c --argjson this "$this" '. - [$this]') ;;
*)
  echo "usage: $0 set|clear RECORD VALUE" >&2
  exit 2
  ;;
esac
[ "$wanted" != "$current" ] || exit 0

# A record set without values is impossible, so the last value is deleted with the set.
if [ "$wanted" = "[]" ]; then verb=DELETE values=$current; else verb=UPSERT values=$wanted; fi
batch=$(jq -nc --arg verb "$verb" --arg name "$record." --argjson values "$values" \
  '{Changes: [{Action: $verb, ResourceRecordSet: {Name: $name, Type: "TXT", TTL: 60, ResourceRecords: $values}}]}')
change=$(aws route53 change-resource-record-sets --hosted-zone-id "$zone" --change-batch "$batch" \
  --query ChangeInfo.Id --output text)
# The command returns when all of Route 53's name servers have the change.
aws route53 wait resource-record-sets-changed --id "$change"
