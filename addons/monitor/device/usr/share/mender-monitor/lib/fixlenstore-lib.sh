# Sourced by subsystems that were written for Mender's own Monitor: all that is documented of it is in monitor-lib.sh and
# subsystem-storage-lib.sh.
