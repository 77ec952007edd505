# An example: mender-monitorctl enable log mender_client
# Errors that the update client has logged. Where both run as one program, its unit is patchbay-device.
SERVICE_NAME="mender_client"
LOG_PATTERN='"level":"error"'
LOG_JOURNAL="patchbay-client"
LOG_PATTERN_EXPIRATION=1h
