#!/usr/bin/env bash
# Writes the software bill of materials (CycloneDX) of the program and of its explorer, and the licenses of both, into a
# directory. Needs cargo-cyclonedx, Node with npm, and jq.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(realpath --canonicalize-missing "${1:-target/release-notes}")
mkdir -p "$out"

temporary=$(mktemp -d)
trap 'rm -r "$temporary"' EXIT
explorer=$temporary/liaison-explorer # npm names the bill by the directory
mkdir "$explorer"
cp graphiql/package.json graphiql/package-lock.json graphiql/.npmrc "$explorer"
npm --prefix "$explorer" ci --omit=dev --ignore-scripts --prefer-offline --no-audit --no-fund >&2
# A bill of materials has a version.
version=$(cargo metadata --locked --no-deps --format-version 1 | jq -r '.packages[] | select(.name == "liaison").version')
(cd "$explorer" && npm pkg set "version=$version" && npm sbom --omit=dev --sbom-format=cyclonedx) >"$out/explorer.cdx.json"

# The file lies beside each manifest of the workspace.
cargo cyclonedx --format json --spec-version 1.5 --override-filename liaison.cdx --target x86_64-unknown-linux-gnu
sed "s|$PWD|/liaison|g" liaison.cdx.json >"$out/liaison.cdx.json"
rm liaison.cdx.json benches/liaison.cdx.json entity/liaison.cdx.json migration/liaison.cdx.json

# Prints a package, its license, and the files in its directory that state it.
notice() {
    printf '%s %s: %s\n\n' "$1" "$2" "$3"
    find "$4" -maxdepth 1 -type f \( -iname 'licen[sc]e*' -o -iname 'copying*' -o -iname 'notice*' \) -print0 |
        sort -z | xargs -0 --no-run-if-empty cat
    printf '\n----------------\n\n'
}
{
    # What is linked into the program: neither tools of the build nor of the tests.
    cargo metadata --locked --format-version 1 --filter-platform x86_64-unknown-linux-gnu |
        jq -r --rawfile linked <(cargo tree --locked --package liaison --edges normal --prefix none --format '{p}') '
            [$linked | split("\n")[] | split(" ") | .[:2] | join(" ")] as $linked
            | .packages[] | select(.source and IN("\(.name) v\(.version)"; $linked[]))
            | [.name, .version, .license // "see its files", (.manifest_path | rtrimstr("/Cargo.toml"))] | @tsv'
    jq -r --arg root "$explorer" '
        .packages | to_entries[] | select(.key != "" and (.value.dev | not))
        | [(.key | sub(".*node_modules/"; "")), .value.version, .value.license // "see its files", "\($root)/\(.key)"] | @tsv' \
        "$explorer/package-lock.json"
} | sort -u | while IFS=$'\t' read -r name version license directory; do
    [ ! -d "$directory" ] || notice "$name" "$version" "$license" "$directory"
done >"$out/THIRD-PARTY-NOTICES"
