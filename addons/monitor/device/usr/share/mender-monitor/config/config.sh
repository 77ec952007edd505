# Settings of Monitor, for the whole device. What is set in /etc/mender-monitor/config.sh counts more, and outlives updates
# of this package. Variable assignments only: this file is read, not run. What stands here are the defaults. Times are in
# seconds, or as 5m, 2h, 1d.

# Levels of alerts, where a check does not say its own: WARNING or CRITICAL.
#DEFAULT_ALERT_LEVEL="CRITICAL"
#DEFAULT_SERVICE_ALERT_LEVEL="CRITICAL"
#DEFAULT_LOG_ALERT_LEVEL="CRITICAL"
#DEFAULT_DBUS_ALERT_LEVEL="CRITICAL"

# Lines that are sent with the matching line of a log.
#DEFAULT_LOG_LINES_BEFORE=30
#DEFAULT_LOG_LINES_AFTER=30
# Without another match for so long it is well again; 0: until somebody sends an OK by hand.
#DEFAULT_LOG_PATTERN_EXPIRATION_SECONDS=0
#DEFAULT_DBUS_ALERT_EXPIRATION_SECONDS=0

# More changes than this within that time are one alert, that it goes up and down.
#FLAPPING_COUNT_THRESHOLD=5
#FLAPPING_INTERVAL=60

# Checks that look (disk, memory, …) and subsystems of your own do so this often.
#DEFAULT_CHECK_INTERVAL=30

# Alerts that wait for the server: how many, and how old. The oldest are dropped first.
#ALERT_OFFLINE_STORE_MAX_COUNT=10000
#ALERT_STORE_MAX_RECORD_AGE_S=30d
# After a failure they are tried again after this, and then ever more seldom.
#DEFAULT_ALERT_STORE_RESEND_INTERVAL_S=10
#SEND_ALERT_MAX_INTERVAL_S=600

# The server is told what is watched when that changes, and this often.
#CONFPUSH_INTERVAL=3600
