#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A screen that asks the person in front of it before an update is installed, and before the device restarts.

Debian: apt-get install python3-dbus python3-gi. Runs as root or as a member of the group patchbay.
"""
import sys

import dbus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME = "io.patchbay.Client"
PATH = "/io/patchbay/Client"
INTERFACE = "io.patchbay.Update1"
LATER = 600  # seconds

DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus()
client = bus.get_object(NAME, PATH)
update = dbus.Interface(client, INTERFACE)
properties = dbus.Interface(client, "org.freedesktop.DBus.Properties")


def ask(question):
    print(f"{question} [now/later] ", end="", flush=True)
    return sys.stdin.readline().strip() == "now"


def state_changed(state, deployment):
    if state in ("waiting-to-install", "waiting-to-reboot"):
        artifact = properties.Get(INTERFACE, "ArtifactName")
        what = "Install" if state == "waiting-to-install" else "Restart for"
        if ask(f"{what} {artifact}?"):
            update.Proceed()
            if state == "waiting-to-install":
                update.Defer(dbus.UInt32(LATER))  # and ask again before the restart
        else:
            update.Defer(dbus.UInt32(LATER))
    elif state == "idle":
        _, artifact, result, _, reason = properties.Get(INTERFACE, "LastResult")
        print(f"{artifact}: {result} {reason}".rstrip(), flush=True)


def keep_asking():
    """Whatever is offered waits until it was asked about."""
    if properties.Get(INTERFACE, "State") == "idle":
        update.Defer(dbus.UInt32(2 * LATER))
    return True


client.connect_to_signal("StateChanged", state_changed, dbus_interface=INTERFACE)
keep_asking()
GLib.timeout_add_seconds(LATER, keep_asking)
print("watching", flush=True)
GLib.MainLoop().run()
