"""What Twisted lacks: a sound Int32 receiver, bounded connections, services that stop within a grace period."""
