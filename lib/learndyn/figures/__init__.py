"""Printed figures, explorables and labs."""
