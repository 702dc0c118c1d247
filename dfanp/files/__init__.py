"""Files that outlive kills and full disks: whole or not at all, lines of JSON, arrays, locked folders."""
