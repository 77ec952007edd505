# An example: mender-monitorctl enable log mender_connect
# Errors that Connect has logged. Where both run as one program, its unit is patchbay-device.
SERVICE_NAME="mender_connect"
LOG_PATTERN='"level":"error"'
LOG_JOURNAL="patchbay-connect"
LOG_PATTERN_EXPIRATION=1h
