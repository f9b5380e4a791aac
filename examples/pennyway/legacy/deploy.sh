#!/usr/bin/env bash
# The deployment script that Teal replaces, as such scripts are. The CI job runs
# it on the app host, over ssh: deploy.sh VERSION
#
# It starts the other colour, sleeps, checks the port and then the HTTP path up to
# TRIES times, and stops and removes the old colour; if the new one never answers
# it removes that and leaves the old one.
set -u
cd "$(dirname "$0")" || exit 1

VERSION=${1:?which version}
SLEEP=${SLEEP:-30}     # seconds before the first check
TRIES=${TRIES:-30}     # checks
PAUSE=${PAUSE:-20}     # seconds between them
CHECK=${CHECK:-/v3/api-docs}

sed -i "s/^WAS_VERSION=.*/WAS_VERSION=$VERSION/" .env

if [ -n "$(docker ps -q -f name='^was_blue$')" ]; then
  before=blue after=green port=8081
else
  before=green after=blue port=8080
fi

echo "deploy: starting was_$after $VERSION"
docker-compose up -d rdb cache "was_$after" || exit 1

echo "deploy: waiting $SLEEP s"
sleep "$SLEEP"

healthy=no
for try in $(seq "$TRIES"); do
  echo "deploy: check $try of $TRIES"
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    if curl -fsS --max-time 5 "http://127.0.0.1:$port$CHECK" >/dev/null; then
      healthy=yes
      break
    fi
  fi
  sleep "$PAUSE"
done

if [ "$healthy" = no ]; then
  echo "deploy: was_$after does not answer: rolling back" >&2
  docker-compose stop "was_$after"
  docker-compose rm -f "was_$after"
  exit 1
fi

echo "deploy: stopping was_$before"
docker-compose stop "was_$before"
docker-compose rm -f "was_$before"
echo "deploy: $VERSION serves on was_$after"
