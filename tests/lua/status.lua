-- The statuses of C-STORE that a case asks for, by the name of its patient.

function ReceivedCStoreInstanceFilter(dicom, origin, info)
   if dicom.PatientName == 'Status^Refused' then return 0xA700 end
   if dicom.PatientName == 'Status^Caller' and origin.RemoteAet == 'FILTERED' then return 0x0124 end
   return 0
end
