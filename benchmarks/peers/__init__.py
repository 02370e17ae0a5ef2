"""The peers: other ways to move files, and ours, each as a user would type it."""
