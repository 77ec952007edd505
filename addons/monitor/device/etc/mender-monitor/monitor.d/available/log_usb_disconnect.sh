# An example: mender-monitorctl enable log usb_disconnect
SERVICE_NAME="usb_disconnect"
LOG_PATTERN="USB disconnect"
LOG_FILE="@dmesg --follow-new"
LOG_PATTERN_EXPIRATION=1h
