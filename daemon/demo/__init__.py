"""The main job, offline: a few made-up sites on loopback, a topic, an alert."""
