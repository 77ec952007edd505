# An example: mender-monitorctl enable disk root
DISK_PATH="/"
DISK_PERCENT=75
