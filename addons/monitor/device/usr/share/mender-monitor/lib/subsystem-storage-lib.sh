# What a subsystem remembers from one run to the next, and over a restart; to be sourced.

_subsystem_file() {
    case $1/$2 in
        */*/* | .* | */.* | /* | */) return 1 ;;
    esac
    printf '%s\n' "${MONITOR_STATE:-/var/lib/mender-monitor}/subsystems/$1/$2"
}

# subsystem_get SUBSYSTEM KEY: prints what was set; nothing if nothing was.
subsystem_get() {
    _subsystem_path=$(_subsystem_file "$1" "$2") || return 1
    if [ -f "$_subsystem_path" ]; then cat "$_subsystem_path"; fi
}

# subsystem_set SUBSYSTEM KEY VALUE: the old or the new value, whenever the power fails.
subsystem_set() {
    _subsystem_path=$(_subsystem_file "$1" "$2") || {
        printf 'subsystem_set: %s is no name\n' "'$1/$2'" >&2
        return 1
    }
    mkdir -p "${_subsystem_path%/*}" &&
        printf '%s\n' "$3" >"$_subsystem_path.$$" &&
        mv "$_subsystem_path.$$" "$_subsystem_path"
}
