"""The plugin: one line, for this file is imported each time twistd looks for plugins."""

from twisted.application.service import ServiceMaker

shout = ServiceMaker("shout", "shout.tap", "Answers each line in capitals.", "shout")
