# An example: mender-monitorctl enable connectivity example
# Whether a web server answers, and with no error.
CONNECTIVITY_SERVER="example.com"
