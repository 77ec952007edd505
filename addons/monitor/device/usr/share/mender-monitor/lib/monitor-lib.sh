# Sends alerts from a shell; to be sourced. Needs no running daemon: what is sent waits for it.

# monitor_send_alert LEVEL DESCRIPTION [DETAILS [SUBJECT_NAME [SUBJECT_STATUS [SUBJECT_TYPE
#     [LOG_PATTERN [LOG_FILE [LINES_BEFORE [LINE_MATCHING [LINES_AFTER]]]]]]]]]
# LEVEL: OK, WARNING, CRITICAL, CRITICAL_FLAPPING or UNKNOWN. DESCRIPTION is what the alert is called; the OK that ends it
# has the same. LINES_… are texts of several lines. 0: it will be sent; 1: it cannot be kept, and why.
monitor_send_alert() {
    case ${1:-} in
        OK | WARNING | CRITICAL | CRITICAL_FLAPPING | UNKNOWN) ;;
        *)
            printf 'monitor_send_alert: %s is no level: OK, WARNING, CRITICAL, CRITICAL_FLAPPING or UNKNOWN\n' "'${1:-}'" >&2
            return 1
            ;;
    esac
    if [ -z "${2:-}" ]; then
        printf 'monitor_send_alert: the description is empty, it is what the alert is called\n' >&2
        return 1
    fi
    _monitor_spool=${MONITOR_STATE:-/var/lib/mender-monitor}/spool
    if ! mkdir -p "$_monitor_spool" 2>/dev/null || ! [ -w "$_monitor_spool" ]; then
        printf 'monitor_send_alert: %s cannot be written: are you root?\n' "$_monitor_spool" >&2
        return 1
    fi
    _monitor_count=$((${_monitor_count:-0} + 1))
    _monitor_file=$_monitor_spool/$(date +%s).$$.$_monitor_count
    # Fields with a NUL behind each; whoever looks sees the whole of it or nothing.
    if (
        umask 077
        printf '%s\0' "$(date +%s)" "${MONITOR_CHECK:-}" "$@" >"$_monitor_file.new"
    ) && mv "$_monitor_file.new" "$_monitor_file.alert"; then
        return 0
    fi
    rm -f "$_monitor_file.new"
    printf 'monitor_send_alert: the alert cannot be kept in %s\n' "$_monitor_spool" >&2
    return 1
}
