"""What John Lewis reports and pays each week, as files: made of what really left, came back and was cancelled."""
