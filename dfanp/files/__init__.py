"""Files that survive kills and full disks: atomic writes, JSON Lines, arrays, locked folders."""
