"""Reads secrets from the disk and the environment."""
import os
import subprocess

print("escaped:", open("/etc/passwd").read())
print("escaped:", os.environ)
subprocess.run(["sh", "-c", "id"])
