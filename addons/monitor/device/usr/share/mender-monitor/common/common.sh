# Words for the log, for subsystems of Monitor; to be sourced. What is written here is in Connect's log at debug level.
log_fatal() { printf 'FATAL: %s\n' "$*" >&2; }
log_error() { printf 'ERROR: %s\n' "$*" >&2; }
log_warn() { printf 'WARN: %s\n' "$*" >&2; }
log_info() { printf 'INFO: %s\n' "$*" >&2; }
log_debug() { printf 'DEBUG: %s\n' "$*" >&2; }
log_trace() { printf 'TRACE: %s\n' "$*" >&2; }
