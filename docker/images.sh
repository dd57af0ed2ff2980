# shellcheck shell=sh
# How the images come into being: from what, under which names, and only where they are missing.
# To be sourced, with the checkout as working folder, after engine.sh and host.sh.
# shellcheck disable=SC2154 # work is set by who sources it

# What the last layer is made of, and what the layers below it are.
project_files='dcm harness tests database known pyproject.toml hatch_build.py README.md LICENSE'
recipe_files='docker/Dockerfile docker/install.sh docker/constraints.txt'

sum() {
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}

# Print the files that belong to the project, not what running it left there. No name of ours has a blank.
list_project() {
    # shellcheck disable=SC2086 # one word per name
    find $project_files \( -name __pycache__ -o -path database/generated \) -prune \
        -o -type f ! -name '*.pyc' -print | LC_ALL=C sort
}

# Print the name of the harness image for this checkout: who has the same files has the same image.
image_name() {
    # shellcheck disable=SC2046,SC2086 # one word per name
    content=$({ echo "$1" && cat $recipe_files && list_project && cat $(list_project); } | sum) ||
        fail "cannot compute the checksum of the checkout: something of $project_files may be missing"
    printf 'dicom-harness:%s-%.12s\n' "$1" "$content"
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# Have debian:RELEASE-slim: there already, or from a registry, or made here.
need_base() {
    base=debian:$1-slim
    ! has_image "$base" || return 0
    say "fetching $base"
    ! docker pull "$base" >"$work/log" 2>&1 || return 0
    engine_trouble "$work/log"
    say "no registry provides it; creating it from the package sources of this computer (about a minute)"
    docker/make-base.sh "$1" >"$work/make-base" 2>&1 && return
    show_log "$work/make-base"
    engine_trouble "$work/make-base"
    fail "the image $base is not available. Connect to a registry, or run as root: docker/make-base.sh $1"
}

# Put together what the images are made from, with what only this computer knows.
make_context() {
    context=$work/context
    mkdir -p "$context/apt" "$context/pip" "$context/project"
    cp docker/Dockerfile docker/constraints.txt "$context"
    cp docker/install.sh "$context/apt"
    # Of this file only what the image installs: no tool's settings, nothing that developers use.
    sed '/^\[tool/,$d; /^dev = \[/,/^\]/d' pyproject.toml >"$context/dependencies.toml"
    # shellcheck disable=SC2046 # one word per name
    tar -cf - $(list_project) | tar -xf - -C "$context/project"
    host_apt "$context/apt"
    host_sources "$context/apt"
    host_pip "$context/pip"
}

# Build one stage. The first argument is what people read about it, empty for nothing.
build_stage() {
    what=$1 stage=$2 tag=$3
    shift 3
    [ -z "$what" ] || say "$what"
    for each in http_proxy https_proxy no_proxy; do # not kept in the image: docker knows these
        eval "value=\${$each-}"
        [ -z "$value" ] || set -- "$@" --build-arg "$each=$value"
    done
    docker build --force-rm --target "$stage" --tag "$tag" --build-arg "RELEASE=$release" \
        --label "org.dicom-harness.release=$release" "$@" "$context" >"$work/log" 2>&1 && return
    show_log "$work/log"
    engine_trouble "$work/log"
    fail "the image $tag could not be built; see the end of docker's output above"
}

# Print what is in an image, as Debian counts: `orthanc=1.10.1+dfsg-2 orthanc-dicomweb=1.7+dfsg-6 ...`
versions_in() {
    # shellcheck disable=SC2016 # the variables are those of dpkg
    docker run --rm --network none --entrypoint dpkg-query "$1" --show \
        --showformat '${binary:Package}=${Version}\n' 'orthanc*' dcmtk dicom3tools libgdcm-tools python3 \
        2>/dev/null | sed -n 's/:[^=]*=/=/; /=./p' | paste -s -d ' ' -
}

# Build what is missing of release $1, so that there is the image $2. What follows is for docker build.
build_images() {
    release=$1 image=$2
    shift 2
    need_base "$release"
    make_context
    environment=dicom-harness-environment:$release
    build_stage "building Orthanc of Debian $release with tools and Python packages (some minutes, once)" \
        environment "$environment" "$@"
    # From here on, what was just built comes from docker's memory.
    packages=$(versions_in "$environment")
    build_stage 'building the suites' harness "$image" --label "org.dicom-harness.packages=$packages"
    build_stage '' server "dicom-harness-server:$release" --label "org.dicom-harness.packages=$packages"
    # The thrown away stages of earlier suites; not those of a build that is under way beside this one.
    docker image prune --force --filter label=org.dicom-harness.stage --filter until=1h >/dev/null
}
