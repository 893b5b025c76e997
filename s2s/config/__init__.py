"""Options: names, types, defaults, units, ranges and checks; a file a group"""
