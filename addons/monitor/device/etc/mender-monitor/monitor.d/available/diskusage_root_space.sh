# An example: mender-monitorctl enable diskusage root_space
DISKUSAGE_NAME="/"
DISKUSAGE_THRESHOLD=75
